"""A report says the same on its page and in Markdown, stands on the run folder alone, and asks
nothing of the network."""

import html
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kodata import SOURCES
from kodata.metrics.naturalness.references import reference_values
from kotune.compare import answers, paired
from kotune.compare.answers import Changes, _changes, changes, marked, shortened
from kotune.compare.calibration import Sureness, bins, calibrations
from kotune.compare.comparison import Comparison, comparisons
from kotune.compare.efficiency import Price
from kotune.compare.result import Result
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.display.phrases.translation import translate
from kotune.errors import KotuneError
from kotune.report import lines
from kotune.report.comparison_tables import criteria, signals
from kotune.report.lines import doubts, score_lines
from kotune.report.page import curves, page
from kotune.report.report import Report
from kotune.report.writing import write, write_as
from kotune.runs.finished import Finished, load
from kotune.runs.folder import read_json, sha256, write_json, write_text
from kotune.runs.proof import LabelProof, Lengths, Parity, TaskProof
from kotune.runs.records import Answers, Items
from tests.conftest import Cli
from tests.finished import Made, finished, metric, samples, task_scores
from tests.report.answers import result_of
from tests.test_cli import assert_one_message

pytest.importorskip("jinja2")
pytest.importorskip("scipy")
pytest.importorskip("vl_convert")
MADE = Made(premises=20, sure=True)
OTHER = Made(model="quickstart-deepseek", premises=20, sure=True)


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 500)


def written(folder: Path, language: str = "en") -> tuple[str, str]:
    """report.html and report.md."""
    page, text = (path.read_text(encoding="utf-8") for path in write(folder, Phrases(language)))
    return page, text


def changed(folder: Path) -> Changes:
    run = Finished(folder)
    return next(changes(comparisons([run])))


def both(tmp_path: Path, b: Made = OTHER, language: str = "en") -> Report:
    """The report of two runs that are compared."""
    runs = load([finished(tmp_path / "a", MADE), finished(tmp_path / "b", b)])
    return Report(Result.of(runs, Price(2500, 1400)), Phrases(language))


def test_runs_without_comparisons_have_no_tables(tmp_path: Path) -> None:
    result = Result.of(load([finished(tmp_path / "a")]))
    assert criteria(replace(result, comparisons=[]), Phrases("en")) == []


@pytest.mark.parametrize("several", [False, True], ids=["a run", "a comparison"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_page_and_markdown_hold_the_same_figures(
    tmp_path: Path, language: str, several: bool
) -> None:
    if several:
        files = write_as(both(tmp_path, language=language), tmp_path / "c.html", tmp_path / "c.md")
        page, text = (path.read_text(encoding="utf-8") for path in files)
    else:
        page, text = written(finished(tmp_path / "a", MADE), language)
    read = html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
    figures = set(re.findall(r"\d[\d,.]*\d|\d", text.replace("\\", "")))
    assert figures <= set(re.findall(r"\d[\d,.]*\d|\d", read))
    for told in ("4", "163,840", "./cli.py run recipes/made.yml", "CC0-1.0", "nsmc_ko"):
        assert told in read
        assert told in text


def test_the_verdict_comes_first_then_the_criteria_asked_about_then_other_names(
    tmp_path: Path,
) -> None:
    page, text = written(finished(tmp_path / "a"))
    for whole in (page, text):
        places = [whole.index(name) for name in ("is better after tuning", "with one seed")]
        headed = re.search(r"(## |<h3>)Reasoning", whole)
        assert headed
        absent = whole.rindex("No task of these runs measures: Accuracy, Consistency, Naturalness.")
        order = [*places, headed.start(), absent]
        assert whole is page or "./cli.py run recipes/made.yml --seeds 3" in whole
        assert order == sorted(order)
        assert not re.search(r"(## |<h3>)(Accuracy|Consistency|Naturalness)", whole)


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_is_quoted(tmp_path: Path) -> None:
    page, text = written(finished(tmp_path / "a", MADE))
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\((?!data:)|(?:src|href)=", page)
    assert "<b>문</b>" not in page
    assert "&lt;b&gt;문&lt;/b&gt;" in page
    assert "\\<b>문" in text
    assert len(page.encode()) < 1_000_000


def test_won_lost_and_confused_items_are_those_of_the_samples(tmp_path: Path) -> None:
    found = changed(finished(tmp_path / "a", MADE))
    base, tuned = (samples(MADE, side) for side in (0, 1))
    pairs = [(b["metrics"]["acc"], t["metrics"]["acc"]) for b, t in zip(base, tuned, strict=True)]
    assert (found.n, found.won, found.lost) == (60, pairs.count((0, 1)), pairs.count((1, 0)))
    assert [example.outcome for example in found.examples] == ["won"] * 3 + ["lost"] * 3
    assert [confusion.side.variant for confusion in found.confusions] == ["base", "tuned"]
    for variant, rows in zip(found.confusions, (base, tuned), strict=True):
        assert sum(map(sum, variant.counts)) == 60
        assert sum(variant.counts[at][at] for at in range(3)) == sum(
            row["metrics"]["acc"] for row in rows
        )
    by_guid = {row["guid"]: row for row in tuned}
    for example in found.examples:
        assert (
            "".join(text for text, _ in example.b)
            == found.confusions[0].choices[by_guid[example.guid]["prediction"]]
        )


def test_an_answer_is_said_to_be_right_or_wrong_where_it_is_one_or_the_other(
    tmp_path: Path,
) -> None:
    page, text = written(finished(tmp_path / "a", MADE))
    found = changed(tmp_path / "a")
    right = [(example.right_a, example.right_b) for example in found.examples]
    assert right == [(False, True)] * 3 + [(True, False)] * 3
    assert (
        page.count('<span class="right">, right</span>')
        == page.count('<span class="wrong">, wrong</span>')
        == 6 + 4  # the examples, and the answers side by side
    )
    assert text.count("- before, wrong: ") == text.count("- after, right: ") == 3
    some = next(iter(Finished(tmp_path / "a").samples("nli_sample_ko", "base").values()))
    assert answers._is_right(replace(some, metrics={"acc": 0.5})) is None
    assert answers._is_right(replace(some, metrics={})) is None


def test_no_confusion_where_the_choices_of_the_items_differ(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", MADE)
    path = folder / "samples" / "items" / "nli_sample_ko.jsonl"
    write_text(
        path,
        path.read_text(encoding="utf-8").replace(
            '["함의", "중립", "모순"]', '["가", "나", "다"]', 1
        ),
    )
    with pytest.raises(
        KotuneError, match=r"items/nli_sample_ko.jsonl: missing or changed since it was scored"
    ):
        changed(folder)
    scores = read_json(folder / "scores.json")
    scores["nli_sample_ko"]["sha256"]["items"] = sha256(path)
    write_json(folder / "scores.json", scores)
    assert changed(folder).confusions == []


def test_a_judged_metric_of_several_items_is_followed_by_the_items_that_are_right(
    tmp_path: Path,
) -> None:
    made = Made(premises=20, task="nli_sample_consistency_ko", whole=True)
    found = changed(finished(tmp_path / "a", made))
    assert (found.metric, found.n) == ("acc", 60)
    base, tuned, items = read_samples(Finished(tmp_path / "a"))
    a, b = (
        {key: replace(answer, metrics={}) for key, answer in side.items()} for side in (base, tuned)
    )
    other = _changes(found.comparison, a, b, items)
    assert (other.won, other.lost, other.other > 0) == (0, 0, True)
    assert [example.outcome for example in other.examples] == ["other"] * 3
    assert all(example.a != example.b for example in other.examples)


def test_the_screen_tells_each_tasks_judged_metric_with_the_number_of_its_items() -> None:
    scores = {
        "nli_sample_ko": task_scores({"acc": metric(0.25, 900)}, {"acc": metric(0.75, 900)}),
        "ko_naturalness": task_scores(
            {"void": metric(1, 120), "faulty_answers": metric(None, 0)},
            {"void": metric(0, 120), "faulty_answers": metric(0.7, 12)},
        ),
    }
    assert score_lines(scores) == [
        "nli_sample_ko acc: base 25.0%, tuned 75.0% (+50.0 %p, n = 900)",
        (
            "ko_naturalness faulty_answers: base n/a, tuned 70.0% (n/a, n = 0 and 12); 1 more in"
            " the report"
        ),
    ]


def proof(labels: LabelProof, trimmed: int, **tasks: TaskProof) -> Parity:
    lengths = Lengths(rows=9, longest=9, sequence_len=9, too_long=0, trimmed=trimmed)
    return Parity(labels=labels, lengths=lengths, tasks=tasks)


def test_what_a_proof_covers_is_told_on_the_screen() -> None:
    told = list(
        lines.proven(
            proof(
                LabelProof(rows=2_718, checked=2_718, status=""),
                3,
                nli_sample_ko=TaskProof(status="equal", items=1_140),
                nsmc_ko=TaskProof(status="not trained"),
            )
        )
    )
    assert [translate(line, "ko") for line in (told[0], *told[2:])] == [
        "학습 대상 검증: 2,718행 중 2,718행에서 답변과 턴 종료 토큰만 학습합니다",
        "프롬프트 일치 검증 nli_sample_ko: 프롬프트 1,140개의 토큰 ID가 학습과 채점에서 같습니다",
        "프롬프트 일치 검증 nsmc_ko: 학습에 사용하지 않는 프롬프트입니다",
    ]
    assert told == [
        "parity labels: only the answer and its end of turn are trained, in 2,718 of 2,718 rows",
        (
            "the model's chat template removes the white space before a turn in 3 rows, in training"
            " and in scoring; kotune's own templates (`template`) keep it"
        ),
        "parity nli_sample_ko: 1,140 prompts have equal token ids in training and scoring",
        "parity nsmc_ko: this prompt is not trained",
    ]
    labels = LabelProof(rows=9_000, checked=300, status="")
    unproven = TaskProof(status="not proven", trained=["reply"])
    told = list(lines.proven(proof(labels, 0, aihub_dialogue_ko=unproven)))
    assert told == [
        (
            "parity labels: only the answer and its end of turn are trained, in 300 of 9,000 rows;"
            " the others were checked only as text"
        ),
        (
            "parity aihub_dialogue_ko: NOT PROVEN: no task scores the trained prompt of"
            " aihub_dialogue (reply)"
        ),
    ]
    score = task_scores({"acc": metric(0.5)}, {"acc": metric(0.5)}, proven="not proven")
    assert score_lines({"nli_sample_ko": score}) == [
        "nli_sample_ko acc: base 50.0%, tuned 50.0% (+0.0 %p, n = 9); NOT PROVEN: no task scores"
        " the trained prompt"
    ]


NOT_PROVEN = {
    "en": (
        "NOT PROVEN: nli_sample_ko (quickstart-llama).",
        "NOT PROVEN: no task scores the trained prompt",
    ),
    "ko": (
        "프롬프트 일치 미확인: nli_sample_ko(quickstart-llama).",
        "일치 미확인: 학습 프롬프트로 채점하는 태스크가 없음",
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_task_that_is_not_proven_is_told_on_both_and_how_many_rows_labels_were_looked_at_in(
    tmp_path: Path, language: str
) -> None:
    folder = finished(tmp_path / "a", MADE)
    page, text = written(folder, language)
    assert not any(
        NOT_PROVEN[language][0] in told for told in (html.unescape(page), text.replace("\\", ""))
    )
    parity = read_json(folder / "parity.json")
    parity["tasks"]["nli_sample_ko"] = {"status": "not proven", "trained": ["reply"]}
    write_json(
        folder / "parity.json",
        {**parity, "labels": {**parity["labels"], "rows": 1_440, "checked": 128}},
    )
    scores = {
        task: {**entry, "proven": "not proven"}
        for task, entry in read_json(folder / "scores.json").items()
    }
    write_json(folder / "scores.json", scores)
    page, text = written(folder, language)
    of_rows = {
        "en": "(128 of 1,440 rows; the others only as text)",
        "ko": "(1,440행 중 128행, 나머지는 텍스트만 확인)",
    }
    for told in (html.unescape(page), text.replace("\\", "")):
        assert all(words in told for words in (*NOT_PROVEN[language], of_rows[language]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_doubts_and_smaller_batches_are_told_on_both(tmp_path: Path, language: str) -> None:
    folder = finished(tmp_path / "a", MADE)
    record = read_json(folder / "run.json")
    record["halvings"] = [{"step": 31, "micro_batch_size": 8, "gradient_accumulation_steps": 2}]
    record["warnings"] = [
        {"kind": kind, "step": 17, "n": 23} for kind in ("zero_gradient", "flat_loss")
    ]
    write_json(folder / "run.json", record)
    read = Finished(folder).record
    told = doubts(read.warnings, read.halvings, Phrases(language))
    assert ["17" in line and "23" in line for line in told] == [True, True, False]
    assert "31" in told[-1]
    page, text = written(folder, language)
    for line in told:
        assert line in html.unescape(page)
        assert line in text.replace("\\", "")


def read_samples(run: Finished) -> tuple[Answers, Answers, Items]:
    task = "nli_sample_consistency_ko"
    return run.samples(task, "base"), run.samples(task, "tuned"), run.items(task)


def test_the_answers_of_two_runs_stand_side_by_side_on_the_items_that_both_were_asked(
    tmp_path: Path,
) -> None:
    report = both(tmp_path, replace(OTHER, first=5))
    *_, found = report.changes
    assert (found.is_tuning, found.n, found.confusions) == (False, 45, [])
    assert report.names_of(found) == ("quickstart-llama", "quickstart-deepseek")
    for example in found.examples:
        right = [side == [(example.gold, True)] for side in (example.a, example.b)]
        assert right == {"won": [False, True], "lost": [True, False]}[example.outcome]
    assert "Better with quickstart-deepseek: made-" in report.outcome(found, found.examples[0])


def test_all_runs_stand_in_one_plot_table_and_data_card_unless_their_data_differ(
    tmp_path: Path,
) -> None:
    report = both(tmp_path)
    for axis in ("tokens", "seconds"):
        told = [
            (series.label[:1], series.dashed, len(series.points)) for series in curves(report, axis)
        ]
        assert told == [("1", False, 8), ("1", True, 1), ("2", False, 8), ("2", True, 1)]
    card, parity, machine = report.origins()[0], *report.origins()[-2:]
    names = tuple(report.result.names.values())
    assert (parity.head[1:], machine.head[1:], report.costs()[0].head[1:]) == (names,) * 3
    assert machine.notes == [f"Compared by: ./cli.py compare {tmp_path / 'a'} {tmp_path / 'b'}"]
    assert (card.title, len(report.origins())) == ("Training data", 6)
    manifest = read_json(tmp_path / "b" / "data" / "manifest.json")
    write_json(tmp_path / "b" / "data" / "manifest.json", {**manifest, "seed": 43})
    titles = [
        table.title
        for table in Report(
            Result.of(load([tmp_path / "a", tmp_path / "b"])), report.phrases
        ).origins()
    ]
    assert [title for title in titles if title.startswith("Training data")] == [
        f"Training data: {n}" for n in names
    ]


def _judged(report: Report) -> list[Comparison]:
    return [one for one in report.result.comparisons if one.p_holm is not None]


def test_metrics_without_a_value_are_told_in_one_line(tmp_path: Path) -> None:
    report = both(tmp_path)
    empty = [
        replace(one, paired=one.paired._replace(value_b=math.nan))
        for one in report.result.comparisons
        if one.metric != "acc"
    ]
    result = replace(report.result, comparisons=[*_judged(report), *empty])
    for language in LANGUAGES:
        table, *_ = criteria(result, Phrases(language))
        assert [row[2] for row in table.rows] == ["acc*"] * 3
        told = [note for note in table.notes if "macro_f1, triple_acc, brier" in note]
        assert len(told) == 3 and all("nli_sample_ko (" in note for note in told)


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_run_alone_has_no_number(tmp_path: Path, language: str) -> None:
    say = Phrases(language)
    report = Report(Result.of(load([finished(tmp_path / "a", MADE)])), say)
    variants = " → ".join(say.word("variants", name) for name in ("base", "tuned"))
    variants = variants.replace(" ", "\u00a0")
    assert {report.sides(found) for found in report.changes} == {f"nli_sample_ko: {variants}"}


def test_what_a_card_says_is_said_in_korean_for_every_source(tmp_path: Path) -> None:
    say = Phrases("ko")
    for source in SOURCES.values():
        for text in (source.CARD.obliges, source.CARD.defects):
            assert bool(re.search("[가-힣]", say.word("card", text))) == bool(text)
            assert "The " not in say.word("card", text)
    folder = finished(tmp_path / "a", MADE)
    manifest = read_json(folder / "data" / "manifest.json")
    manifest["entries"][0]["obliges"] = SOURCES["klue_nli"].CARD.obliges
    write_json(folder / "data" / "manifest.json", manifest)
    (note,) = Report(Result.of(load([folder])), say).origins()[0].notes
    assert "출처(KLUE, Park et al. 2021)를 표시하고" in note


def test_signals_stand_beside_those_of_native_and_translated_text() -> None:
    entry = task_scores(
        {"void": metric(0.0), "genitive": metric(50.5)},
        {"void": metric(1.0), "genitive": metric(None)},
    )
    without = task_scores({"acc": metric(0.5)}, {"acc": metric(0.5)})
    run: Any = SimpleNamespace(scores={"ko_naturalness": entry, "nli_sample_ko": without})
    (table,) = signals(Result([run], [], {}), Phrases("en"))
    native, translated, hypotheses = (kind["genitive"] for kind in reference_values().values())
    assert native < translated
    row = (
        "ko_naturalness",
        "genitive",
        "50.500",
        "-",
        f"{native:.3f}",
        f"{translated:.3f}",
        f"{hypotheses:.3f}",
    )
    assert (table.rows, table.head[:4]) == ([row], ("task", "metric", "base", "tuned"))
    run.scores = {"nli_sample_ko": without}
    assert list(signals(Result([run], [], {}), Phrases("ko"))) == []


def test_the_bins_of_a_calibration_plot_are_those_of_its_error(tmp_path: Path) -> None:
    (found,) = calibrations(load([finished(tmp_path / "a", MADE)]))
    for error, side in zip(
        (found.error_base, found.error_tuned), (found.base, found.tuned), strict=True
    ):
        assert sum(one.n for one in side) == 60
        assert sum(one.n * abs(one.right - one.confidence) for one in side) / 60 == pytest.approx(
            error
        )
    assert bins([Sureness(1.0, 1.0), Sureness(0.95, 0.0), Sureness(0.5, 1.0)]) == [
        (0.5, 1.0, 1),
        (0.975, 0.5, 2),
    ]
    assert list(calibrations(load([finished(tmp_path / "b", replace(MADE, sure=False))]))) == []


def test_the_difference_of_two_answers_is_marked_word_by_word() -> None:
    a, b = marked("서울은 큰 도시다", "서울은 아주 큰 도시다")
    assert a == [("서울은", False), ("큰 도시다", False)]
    assert b == [("서울은", False), ("아주", True), ("큰 도시다", False)]
    assert marked("", "답")[1] == [("답", True)]
    assert len(shortened("가" * 5000)) < 700


def test_a_training_that_logged_nothing_still_has_a_report(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", MADE)
    write_text(folder / "metrics.jsonl", '{"event": "start", "step": 0}\n')
    page, text = written(folder)
    assert "No training loss was logged." in page
    assert "No training loss was logged." in text
    assert curves(Report(Result.of(load([folder])), Phrases("en")), "tokens") == []
    assert "Loss by" not in page


def test_a_language_is_chosen_when_the_files_are_written_again(cli: Cli, tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", MADE)
    done = cli("report", "a", "--lang", "ko")
    assert (done.returncode, done.stdout.split()) == (0, ["a/report.html", "a/report.md"])
    assert 'lang="ko"' in (folder / "report.html").read_text(encoding="utf-8")
    assert "## 학습 데이터" in (folder / "report.md").read_text(encoding="utf-8")
    assert_one_message(cli("report", "absent"), 2, "absent: neither a run folder nor a recipe")
    (folder / "parity.json").unlink()
    assert_one_message(cli("report", "a"), 1, "parity.json: missing or damaged")


def test_the_first_screen_has_at_most_four_verdicts_and_says_where_the_others_are(
    tmp_path: Path,
) -> None:
    also = ("klue_nli_ko", "nsmc_ko", "nli_sample_consistency_ko", "ko_consistency_nli")
    made = Made(also=also, whole=True)
    result = result_of(tmp_path, ("a", "b"), seeds=(1,), made=made)
    text = page(Report(result, Phrases("en")))
    first, rest = text.split('<table class="scoreboard dense"', 1)
    assert first.count('<li class="adapters_') == 4
    assert "More verdicts, in the details: 1." in first
    assert len(re.findall(r"<li[^>]*>\s*Consistency \(ko_consistency_nli\): ", rest)) >= 1
