"""Progress on the screen: a bar on a terminal, else at most one line in ten seconds. No test
waits: the clock is moved by hand."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from kodata.errors import Translatable
from kodata.progress import BYTES, Progress, counted
from kotune.display.pace import duration
from kotune.display.progress import SECONDS, OutOfMemory, Screen, TrainingEvent
from kotune.display.terminal import terminal
from kotune.runs.records import Event


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def screen(out: io.StringIO, clock: Clock, is_terminal: bool = False) -> Screen:
    return Screen(terminal(file=out, force_terminal=is_terminal, width=200, soft_wrap=True), clock)


def test_a_line_names_what_is_done_and_how_much_and_how_fast_and_when_it_ends(
    clock: Clock,
) -> None:
    out = io.StringIO()
    with screen(out, clock).watching() as watch:
        watch(Progress("klue_nli_ko, base", 0, 3000, "items"))
        clock.now += 20
        watch(Progress("klue_nli_ko, base", 1000, 3000, "items", tokens=16240))
    assert out.getvalue() == (
        "  klue_nli_ko, base: 1,000/3,000 items, 50 items/s, 812 tokens/s, about 40 s left\n"
    )


def test_a_log_has_at_most_one_line_in_ten_seconds(clock: Clock) -> None:
    out = io.StringIO()
    with screen(out, clock).watching() as watch:
        for what in ("a", "b"):
            for second in range(31):
                watch(Progress(what, second, 30))
                watch(Progress(what, second, 30))
                clock.now += 1
    assert SECONDS == 10 and len(out.getvalue().splitlines()) == 6


def test_short_work_prints_nothing(clock: Clock) -> None:
    out = io.StringIO()
    for _ in range(3):
        with screen(out, clock).watching() as watch:
            watch(Progress("a", 0, 2))
            clock.now += 9.9
            watch(Progress("b", 0, 2))
            clock.now += 9.9
            watch(Progress("b", 2, 2))
    assert out.getvalue() == ""


def test_a_total_that_is_not_known_is_not_guessed(clock: Clock) -> None:
    out = io.StringIO()
    with screen(out, clock).watching() as watch:
        watch(Progress("nsmc", 0))
        clock.now += 10
        watch(Progress("nsmc", 51200))
    assert out.getvalue() == "  nsmc: 51,200 rows, 5,120 rows/s\n"


def test_bytes_are_megabytes(clock: Clock) -> None:
    out = io.StringIO()
    with screen(out, clock).watching() as watch:
        watch(Progress("download", 0, 500_000_000, BYTES))
        clock.now += 10
        watch(Progress("download", 25_000_000, 500_000_000, BYTES))
    assert out.getvalue() == "  download: 25/500 MB, 2.5 MB/s, about 3 min left\n"


def test_the_rate_is_that_of_this_piece_of_work(clock: Clock) -> None:
    """Neither the time of the one before counts, nor what was done before the first report."""
    out = io.StringIO()
    with screen(out, clock).watching() as watch:
        watch(Progress("a", 0, 10))
        clock.now += 5
        watch(Progress("b", 100, 400))
        clock.now += 10
        watch(Progress("b", 200, 400))
    assert out.getvalue() == "  b: 200/400 rows, 10 rows/s, about 20 s left\n"


def test_a_terminal_has_one_bar_that_vanishes(clock: Clock) -> None:
    out = io.StringIO()
    with screen(out, clock, is_terminal=True).watching() as watch:
        for task in ("a, base", "a, tuned"):
            watch(Progress(task, 0, 30, "items"))
            clock.now += 1
            watch(Progress(task, 10, 30, "items"))
    shown = out.getvalue()
    assert "a, tuned" in shown and "10/30 items, 10 items/s, about 2 s left" in shown
    assert "━" in shown and shown.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))


def test_nothing_is_shown_on_a_quiet_screen(
    clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    with Screen(Console(quiet=True), clock).watching() as watch:
        watch(Progress("a", 0, 10))
        clock.now += 100
        watch(Progress("a", 5, 10))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("is_terminal", [False, True])
def test_an_evaluation_is_shown_before_the_first_step(clock: Clock, is_terminal: bool) -> None:
    def events() -> Iterator[TrainingEvent]:
        yield Event(event="start", step=0, max_steps=2)
        yield Progress("evaluation at step 0", 8, 250)
        clock.now += 12
        yield Progress("evaluation at step 0", 128, 250)
        yield Event(event="log", step=2, loss=1.0, tokens_per_second=3.0)

    out = io.StringIO()
    screen(out, clock, is_terminal).training(events())
    assert "evaluation at step 0" in out.getvalue() and "loss 1.0000" in out.getvalue()
    if not is_terminal:
        first, _ = out.getvalue().splitlines()
        assert first == ("  evaluation at step 0: 128/250 rows, 10 rows/s, about 12 s left")


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_korean_screen_tells_the_whole_of_a_run_in_korean(
    clock: Clock, is_terminal: bool
) -> None:
    def events() -> Iterator[TrainingEvent]:
        yield Event(event="start", step=4, max_steps=20, head="all", processes=2, examples_a_step=8)
        what = Translatable("evaluation at step {step}", step=4)
        yield Progress(what, 8, 250)
        clock.now += 12
        yield Progress(what, 128, 250)
        yield OutOfMemory(6, 2, 8)
        yield OutOfMemory(7)
        yield Event(event="log", step=20, loss=1.0, tokens_per_second=3.0)

    out = io.StringIO()
    console = terminal(file=out, force_terminal=is_terminal, width=200, soft_wrap=True)
    korean = Screen(console, clock, "ko")
    korean.skipped("prepare")
    korean.again("render", ["seed"])
    with korean.stage("train"):
        korean.training(events())
    told = out.getvalue()
    for text in (
        "prepare  이미 완료됨(변경 없음)",
        "render   변경되어 다시 실행: seed",
        "train    ...",
        "  4스텝부터 이어서 학습합니다",
        "  프로세스 2개: 스텝마다 예시 8개를 사용합니다",
        "변경한 설정: micro_batch_size 2, gradient_accumulation_steps 8",
        "변경한 설정: 그래디언트 체크포인팅",
    ):
        assert text in told
    assert re.search(r"train    \d\.\d초\n", told)
    assert "손실 1.0000, 초당 3토큰" in told and "4스텝 평가" in told
    if not is_terminal:
        assert "  4스텝 평가: 128/250 행, 초당 10 행, 약 12초 남음\n" in told
        assert not re.search("[a-z]{3} [a-z]{3}", told)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (3600, "60 min"), (9e3, "2.5 h")],
)
def test_durations_have_the_unit_that_a_reader_needs(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_rows_are_counted_from_the_first_to_the_last() -> None:
    told: list[Progress] = []
    begin = Progress("rows", 0, 600)
    assert list(counted(range(600), begin, told.append)) == list(range(600))
    assert [progress.done for progress in told] == [0, 256, 512, 600]
    assert {(progress.what, progress.total) for progress in told} == {("rows", 600)}
