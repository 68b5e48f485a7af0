"""A run and a comparison end in a short answer: at most 25 lines of at most 100 columns, whatever
was compared. No sentence is cut."""

import io
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from kotune.cli import cli
from kotune.compare import paired
from kotune.compare.efficiency import Price
from kotune.compare.result import Result
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.display.short import COLUMNS, LINES
from kotune.report import screen
from kotune.report.sentences import cautions
from kotune.report.summary import summary
from kotune.runs.folder import RUNS, Run
from tests.finished import Made
from tests.report.answers import SEEDS, in_task, result_of

pytest.importorskip("scipy")
MADE = Made(rates=(0.35, 0.85))
TWO = ("quickstart-llama", "quickstart-deepseek")
LONG = tuple(f"{name}-{'instruct-korean-' * 3}{number}" for number, name in enumerate(TWO))
MANY = (
    *("klue_nli_ko", "klue_nli_ko_gen", "korquad_ko", "nsmc_ko", "naver_news_ko", "chat_ko"),
    *("ko_consistency_nli", "ko_consistency_questions", "ko_naturalness", "klue_nli_write_ko"),
)
CASES = {
    "one run": (TWO[:1], (42,)),
    "one model": (TWO[:1], SEEDS),
    "two runs": (TWO, (42,)),
    "two models": (TWO, SEEDS),
    "five runs": ((*TWO, "c", "d", "e"), (42,)),
    "long names": (LONG, SEEDS),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Result]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "RESAMPLES", 100)
        made = {
            name: result_of(tmp_path_factory.mktemp("runs"), *case, MADE)
            for name, case in CASES.items()
        }
        whole = made["two models"]
        for task in MANY:
            whole = in_task(whole, task)
        yield {**made, "many tasks": whole}


def shown(result: Result, language: str = "en", width: int | None = None) -> list[str]:
    """The lines of the short answer, in a log, or on a terminal of this width."""
    console = Console(file=io.StringIO(), force_terminal=width is not None, width=width or 300)
    with console.capture() as captured:
        screen.show(replace(result, price=Price(2500)), Phrases(language), console, Path("a.html"))
    return captured.get().splitlines()


def plain(lines: list[str]) -> str:
    return "".join("".join(lines).split())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [*CASES, "many tasks"])
def test_the_answer_fits_a_screen_and_cuts_no_sentence(
    results: dict[str, Result], name: str, language: str
) -> None:
    result, say = results[name], Phrases(language)
    lines = shown(result, language)
    assert len(lines) <= LINES and max(map(cell_len, lines)) <= COLUMNS
    made, text = summary(replace(result, price=Price(2500)), say), plain(lines)
    assert lines[0].startswith(made.headlines[0].text[:20])
    kept = [plain([verdict.text]) in text for verdict in made.headlines]
    assert kept[0] and all(plain([caution.text]) in text for caution in made.cautions)
    assert plain([say("summary_page", path="a.html")]) in text
    assert plain([made.step.text]) in text
    is_long = name in ("five runs", "many tasks")
    is_full = say("more_lines", n="#").split("#")[-1]
    assert any(line.endswith(is_full) for line in lines) == is_long
    if not is_long:
        others = [*made.costs, *(verdict.text for verdict in made.gains)]
        assert all(kept) and all(plain([other]) in text for other in others)


def test_a_line_says_how_many_texts_were_left_out(results: dict[str, Result]) -> None:
    result = replace(results["many tasks"], price=Price(2500))
    lines, made = shown(result), summary(result, Phrases("en"))
    texts = [verdict.text for verdict in (*made.headlines, *made.gains)] + made.models
    left_out = sum(plain([each]) not in plain(lines) for each in texts)
    assert 4 < left_out < 10 and f"{left_out} more: --all" in lines
    assert all(plain([cost]) in plain(lines) for cost in made.costs)


def test_the_command_can_be_copied_from_the_lines(results: dict[str, Result]) -> None:
    result = results["two runs"]
    lines = shown(result)
    pasted = "\n".join(lines[lines.index(summary(result, Phrases("en")).step.text) + 1 :])
    words = shlex.split(pasted.replace("\\\n", " "))
    assert words == shlex.split(" ".join(summary(result, Phrases("en")).step.commands))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_narrower_terminal_has_shorter_lines(results: dict[str, Result], language: str) -> None:
    lines = [line for line in shown(results["two models"], language, 64) if "\x1b" not in line]
    assert 40 < max(map(cell_len, lines)) <= 64


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_without_a_scored_task_says_what_to_do(
    results: dict[str, Result], language: str
) -> None:
    none = replace(results["one run"], comparisons=[], gains=[], baselines=[], label_parts=[])
    lines = shown(none, language)
    assert lines[-1] == "  ./cli.py tasks" and len(lines) < 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_toys_score_says_nothing_on_real_models(
    results: dict[str, Result], language: str
) -> None:
    phrases, made = Phrases(language), results["two models"]
    (told,) = [each for each in cautions(made, phrases) if "quickstart-llama, " in each.text]
    assert told.label == phrases.phrase("caution_kinds", "toys")
    assert told.text == phrases("toys", models="quickstart-llama, quickstart-deepseek")
    for real in (results["long names"], replace(made, comparisons=[])):
        assert phrases.phrase("caution_kinds", "toys") not in [
            each.label for each in cautions(real, phrases)
        ]


def test_all_prints_the_tables(results: dict[str, Result]) -> None:
    console = Console(file=io.StringIO(), width=300)
    with console.capture() as captured:
        screen.show(results["two models"], Phrases("en"), console, show_all=True)
    text = captured.get()
    assert len(text.splitlines()) > 3 * LINES
    assert "McNemar" in text and "Cost" in text and "Baselines" in text


@pytest.mark.parametrize(
    ("words", "is_shown"),
    [([], True), (["--all"], True), (["--until", "score"], False), (["--dry-run"], False)],
    ids=["short", "all", "until", "dry-run"],
)
def test_run_ends_with_the_answer_on_all_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], is_shown: bool
) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 100)
    monkeypatch.chdir(tmp_path)
    result = result_of(tmp_path / RUNS, TWO[:1], made=MADE)
    runs = [Run(run.folder) for run in result.runs]
    monkeypatch.setattr("kotune.study.seeds.run", lambda *_: runs)
    done = CliRunner().invoke(cli, ["run", "a.yml", *words])
    text = " ".join(done.stdout.split())
    assert done.exit_code == 0 and ("3 seeds, 150 items)." in text) == is_shown
    assert ("Page: runs/made-0-42/report.html" in text) == (is_shown and not words)
    assert ("McNemar" in text) == (words == ["--all"])
