"""A study's report says first what was asked, the same on its page and in Markdown, and no more
than its cells carry."""

import html
import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from kotune.compare import paired
from kotune.compare.efficiency import Price
from kotune.compare.verdict import outcome
from kotune.display import short
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.errors import KotuneError
from kotune.runs.finished import Finished
from kotune.runs.folder import read_json, write_text
from kotune.study import file, next_step, report, tables, writing
from kotune.study.curves import OPEN, Place
from kotune.study.findings import Estimate, Findings
from kotune.study.page import series
from kotune.study.points import points, scores, tried
from kotune.study.running import FailedCell, ScoredCell
from kotune.study.sentences import Sentences
from tests.browser import Browser, needs_browser
from tests.conftest import ROOT
from tests.finished import Made, finished
from tests.studies import Grid, made

np = pytest.importorskip("numpy")
pytest.importorskip("jinja2")
pytest.importorskip("scipy")
TASK, PRICE = "nli_sample_ko", Price(3000)
FULL = Grid((250, 1000, 4000, 8000, None), (1, 2, 3))
HOSTILE = "<script>window.ran = 1</script><img src=https://example.com/x onerror='window.ran = 2'>"


@pytest.fixture(scope="module", autouse=True)
def _fewer_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "RESAMPLES", 400)
        yield


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> report.StudyReport:
    """Five sizes and three seeds of two arms."""
    study, cells = made(tmp_path_factory.mktemp("full"), FULL)
    return report.StudyReport(study, (cells, []), Phrases("en"), PRICE)


def findings(folder: Path, grid: Grid) -> Findings:
    return Findings(scores(TASK, points(tried(made(folder, grid)[1]))))


def found_in(of: report.StudyReport) -> Findings:
    assert of.target
    return of.target.findings


def test_points_are_the_means_over_seeds_on_the_items_that_all_runs_share(tmp_path: Path) -> None:
    study, cells = made(tmp_path / "a", Grid())
    fewer = finished(
        tmp_path / "b", Made(premises=30, seed=1, record={"seed": 1}, rates=(0.35, 0.5))
    )
    cells[0] = ScoredCell(cells[0].cell, Finished(fewer))
    found = scores(TASK, points(tried(cells)))
    assert (found.n, found.groups, len(study.cells)) == (90, 30, 12)
    for point, mean in zip(found.points, found.measured.means[:6], strict=True):
        right = [
            [
                answer.metrics["acc"]
                for answer in run.samples(TASK, "tuned").values()
                if int(answer.cluster) < 30
            ]
            for run in point.runs
        ]
        assert mean == pytest.approx(np.mean(right))
    assert [(one.arm, one.rows) for one in found.points[:3]] == [
        ("llama", rows) for rows in (250, 1000, 4000)
    ]
    assert found.sizes("deepseek") == [250, 1000, 4000]


def test_studies_whose_runs_share_no_item_are_refused(tmp_path: Path) -> None:
    _, cells = made(tmp_path / "a", Grid((250,), (1,)))
    other = finished(tmp_path / "b", Made(first=500, record={"seed": 1}))
    with pytest.raises(KotuneError, match="nli_sample_ko: the runs of this study share no item"):
        scores(TASK, points(tried([cells[0], ScoredCell(cells[1].cell, Finished(other))])))


def test_a_choice_is_made_on_validation_loss_and_the_others_test_scores_are_not_told(
    tmp_path: Path,
) -> None:
    study, cells = made(tmp_path, Grid((250, 1000), (1, 2), rates=(2e-3, 1e-4)))
    found = tried(cells)
    assert len(found) == 8 and [one.is_chosen for one in found] == [False, True] * 4
    assert all(dict(one.choice)["axolotl.learning_rate"] == 1e-4 for one in found if one.is_chosen)
    assert found[0].losses == {1: 0.4, 2: 0.4}
    text = writing.in_markdown(report.StudyReport(study, (cells, []), Phrases("en"), None))
    reported = {run.name for one in found if one.is_chosen for run in one.runs}
    others = {run.name for _, run in cells} - reported
    assert all(name in text.replace("\\", "") for name in reported) and not any(
        name in text.replace("\\", "") for name in others
    )
    assert (
        "| llama | axolotl.learning_rate=0.002 | 1: 0.4000, 2: 0.4000 |  | 250 | 0.4000 |" in text
    )


def test_a_choice_without_a_validation_loss_is_not_made_and_seeds_are_the_same_for_all(
    tmp_path: Path,
) -> None:
    _, cells = made(tmp_path, Grid((250,), (1, 2), arms=("llama",), rates=(1e-4, 2e-3)))
    lost = cells[0].run.folder / "metrics.jsonl"
    write_text(lost, "")
    again = [ScoredCell(cell, Finished(run.folder)) for cell, run in cells]
    assert [one.is_chosen for one in tried(again)] == [False, True]
    lowest = [one for one in tried([cells[1], cells[2], cells[3]]) if one.is_chosen]
    assert dict(lowest[0].choice)["axolotl.learning_rate"] == 1e-4  # by seed 2, which both have


def test_where_no_loss_is_shared_nothing_is_chosen_nor_reported_and_that_is_said(
    tmp_path: Path,
) -> None:
    study, cells = made(tmp_path, Grid((250, 1000), (1, 2), rates=(1e-4, 2e-3)))
    lost = [(cell, run) for cell, run in cells if cell.samples == 250 and cell.arm == "llama"]
    for _, run in lost:
        write_text(run.folder / "metrics.jsonl", "")
    again = [ScoredCell(cell, Finished(run.folder)) for cell, run in cells]
    told = report.StudyReport(study, (again, []), Phrases("en"), None)
    assert [(one.arm, one.rows) for one in told.points] == [
        ("llama", 1000),
        ("deepseek", 250),
        ("deepseek", 1000),
    ]
    said = [verdict.text for verdict in told.verdicts()]
    assert (
        said[0] == "llama: lowest validation loss with axolotl.learning_rate=0.0001 (1,000 rows)."
    )
    assert said[1].startswith("llama: no choice and no result with 250 rows")
    for _, run in cells:
        write_text(run.folder / "metrics.jsonl", "")
    reread = [ScoredCell(cell, Finished(run.folder)) for cell, run in cells]
    none = report.StudyReport(study, (reread, []), Phrases("ko"), None)
    assert not none.points and "후보를 선택하지 않았으며" in writing.in_markdown(none)
    halves = [
        at for at, (cell, _) in enumerate(cells) if cell.samples == 1000 and cell.arm == "llama"
    ]
    # Each of another seed.
    assert not any(one.is_chosen for one in tried([again[halves[0]], again[halves[3]]]))


def test_a_sample_of_all_rows_and_all_of_them_are_one_size_and_rows_are_of_the_entry_that_varies(
    tmp_path: Path,
) -> None:
    found = findings(tmp_path / "a", Grid((250, 1000, 4000, 16_000, None), (1, 2, 3)))
    assert found.scores.sizes("llama") == [250, 1000, 4000, 16_000]
    assert {len(point.runs) for point in found.scores.points} == {3} and found.curves[
        "llama"
    ].why == "few"
    _, cells = made(tmp_path / "b", Grid((1000, None), (1,), arms=("llama",)))
    for _, run in cells:
        manifest = read_json(run.folder / "data" / "manifest.json")
        first = {
            **manifest["entries"][0],
            "samples": None,
            "kept": {"train": 2412, "validation": 1},
        }
        write_text(
            run.folder / "data" / "manifest.json",
            json.dumps({**manifest, "entries": [first, *manifest["entries"]]}),
        )
    second = [ScoredCell(replace(cell, entry=1), Finished(run.folder)) for cell, run in cells]
    assert [one.rows for one in points(tried(second))] == [1000, 16_000]


def test_arms_that_differ_in_two_things_are_not_compared_and_adapters_tuned_with_tuned_alone(
    tmp_path: Path,
) -> None:
    found = findings(
        tmp_path,
        Grid((250, 1000), (1,), arms=("llama", "llama qlora", "deepseek", "deepseek qlora")),
    )
    assert [(pair.a, pair.b, pair.more is None) for pair in found.pairs] == [
        ("llama", "llama qlora", True),
        ("llama", "deepseek", False),
        ("llama qlora", "deepseek qlora", False),
        ("deepseek", "deepseek qlora", True),
    ]
    told = [verdict.text for verdict in Sentences(found, Phrases("en"), None).verdicts()]
    assert (
        sum("each against its own untuned model" in text for text in told) == 2
        and sum("compared with" in text for text in told) == 4
    )
    apart = findings(tmp_path / "b", Grid((250,), (1,), arms=("llama", "deepseek qlora")))
    assert len(apart.pairs) == 1  # nothing stands between them


def test_seeds_that_curves_count_in_are_counted_in_arm_against_arm(tmp_path: Path) -> None:
    found = findings(tmp_path, Grid())
    (pair,) = found.pairs
    (one,) = [one for rows, one in pair.sizes if rows == 1000]
    of = found.scores
    at, other = (of.arms[arm][1] for arm in ("llama", "deepseek"))
    assert (one.paired.ci_low, one.paired.ci_high) == of.measured.through(
        of.sum({other: 1, at: -1})[None]
    ).interval(0)
    items, *seeds_of_each = of.measured.parts
    assert len(seeds_of_each) == 2
    of_items = items[0][at, at] + items[0][other, other] - 2 * items[0][at, other]
    assert one.paired.ci_high - one.paired.ci_low > 2 * 1.96 * math.sqrt(of_items)


def test_five_sizes_and_three_seeds_have_a_law_and_fewer_have_none(
    full: report.StudyReport, tmp_path: Path
) -> None:
    found = found_in(full)
    assert {curve.why for curve in found.curves.values()} == {""}
    for arm, at in found.scores.arms.items():
        fitted = found.curves[arm].at(found.scores.sizes(arm))
        for told, place in zip(fitted, at, strict=True):
            measured = found.estimate(place)
            assert measured.low < told.value < measured.high
            assert told.high - told.low < 1.05 * (measured.high - measured.low)
    for grid in (Grid(FULL.sizes, (1, 2)), Grid(FULL.sizes[:4], (1, 2, 3))):
        few = findings(tmp_path / str(grid.seeds) / str(len(grid.sizes)), grid)
        assert {curve.why for curve in few.curves.values()} == {"few"}
        assert not any(one.is_fitted for one in few.passings)
        assert not any(one.is_fitted for one in few.pairs)


def test_where_nothing_rises_no_exponent_is_told(full: report.StudyReport) -> None:
    found = found_in(full)
    flat = replace(found.curves["llama"], is_flat=True)
    words = Sentences(found, Phrases("en"), None)
    assert "no rise is found over the measured sizes" in words.doubles(flat).text
    found.__dict__["curves"] = {"llama": flat}
    try:
        (row,) = tables.laws(words).rows
    finally:
        del found.__dict__["curves"]
    assert row[1:4] == ("fitted; no rise found", "-", "-")


def test_targets_are_a_line_and_shares_of_the_best_gain_on_the_same_items(
    full: report.StudyReport,
) -> None:
    found = found_in(full)
    means, of = found.scores.measured.means, found.scores
    line, eighty, ninety = found.targets
    assert line.value == means[of.baseline("hypothesis_only")] == pytest.approx(1 / 3)
    best, start = means[of.arms["llama"][-1]], np.mean([means[of.base(arm)] for arm in of.arms])
    assert best == max(means[at[-1]] for at in of.arms.values())
    assert (eighty.value, ninety.value) == pytest.approx(
        (start + 0.8 * (best - start), start + 0.9 * (best - start))
    )
    assert len(ninety.weights) == 1  # the other arm is surely not the best
    told = {(one.arm, one.target.name): one for one in found.passings}
    passed = told["llama", "90"]
    assert passed.is_fitted and passed.place.low and passed.place.high
    assert 1_000 < passed.place.low < passed.place.high < 16_000
    assert passed.seconds == pytest.approx(
        (60 + passed.place.low / 10, 60 + passed.place.high / 10)
    )
    assert told["deepseek", "90"].place == Place(None, None, -1, -1)


def test_the_cost_of_a_target_is_told_between_measured_sizes_alone(tmp_path: Path) -> None:
    found = findings(tmp_path, Grid())
    words = Sentences(found, Phrases("en"), Price(3600))
    (one,) = [one for one in found.passings if (one.arm, one.target.name) == ("llama", "90")]
    sure, later = Place(250, 1000, -1, 1), Place(250, None, -1, 0)
    assert (
        words.spent(replace(one, place=sure, seconds=(60.0, 120.0)))
        == "1.0 ~ 2.0 minutes of training, 60 ~ 120 won"
    )
    assert (
        words.spent(replace(one, place=later, seconds=(60.0, None)))
        == "more than 1.0 minutes of training, 60 won"
    )
    # It may never pass.
    assert words.spent(replace(one, place=Place(250, 4000, -1, -1), seconds=(60.0, 120.0))) == ""
    assert words.spent(replace(one, place=sure, seconds=(None, None))) == ""
    assert found._seconds("llama", 1_000) == pytest.approx(160)
    assert found._seconds("llama", 5_000) is None and found._seconds("llama", 200) is None


def test_targets_of_which_the_same_is_to_be_said_are_told_together(
    full: report.StudyReport,
) -> None:
    found = Findings(found_in(full).scores)
    found.__dict__["passings"] = [
        replace(one, place=Place(250, None, -1, 0)) for one in found.passings
    ]
    (told,) = [
        one.text
        for one in Sentences(found, Phrases("en"), None).verdicts()
        if "deepseek passes" in one.text
    ]
    assert re.search(
        r"alone \(\d+\.\d%\), 80% of the best gain \(.*\), 90% of the best gain \(.*\): not with up"
        r" to 250",
        told,
    )
    assert told.count("not known") == 1


def test_two_arms_are_compared_as_compare_does_with_holm_over_the_sizes(
    full: report.StudyReport,
) -> None:
    (pair,) = found_in(full).pairs
    raw, adjusted = ([getattr(one, key) for _, one in pair.sizes] for key in ("paired", "p_holm"))
    assert adjusted == pytest.approx(paired.holm([one.p_value for one in raw]))
    assert [rows for rows, _ in pair.sizes] == [250, 1000, 4000, 8000, 16000]
    assert [outcome(one) for _, one in pair.sizes][1:] == ["worse"] * 4
    of = found_in(full).scores
    base = of.measured.means[of.base("llama")] - of.measured.means[of.base("deepseek")]
    assert pair.more
    assert pair.more.value == pytest.approx(raw[-1].difference + base)
    assert pair.more.sign == -1


MAY = Place(None, 320, 0, 1)


@pytest.mark.parametrize(
    ("crossings", "told"),
    [
        ([], "The curves do not cross between 250 and 16,000 rows."),
        ([OPEN], "Whether and where the curves cross is not known."),
        ([MAY], "If the curves cross, then below 320 rows."),
        (
            [MAY, Place(9_000.0, None, 1, 0)],
            "If the curves cross, then below 320 or above 9,000 rows.",
        ),
        (
            [MAY, Place(1_234.5, 7_000, 1, -1)],
            "The curves cross between 1,200 and 7,000 rows. They may also cross below 320 rows.",
        ),
        (
            [Place(250, 1_000, 1, -1), Place(1_000, 4_000, -1, 1)],
            "The curves cross between 250 and 1,000 and between 1,000 and 4,000 rows.",
        ),
    ],
)
def test_every_range_in_which_curves_may_cross_is_told(
    full: report.StudyReport, crossings: list[Place], told: str
) -> None:
    (pair,) = found_in(full).pairs
    assert (
        Sentences(found_in(full), Phrases("en"), None).crosses(replace(pair, crossings=crossings))
        == told
    )
    in_korean = Sentences(found_in(full), Phrases("ko"), None).crosses(
        replace(pair, crossings=crossings)
    )
    assert re.findall(r"[\d,]+\d", in_korean) == re.findall(r"[\d,]+\d", told)


def test_the_noise_floor_is_the_pooled_deviation_of_seeds(full: report.StudyReport) -> None:
    found = found_in(full)
    for one in found.floors:
        values = found.scores.values[found.scores.arms[one.arm]]
        assert one.degrees == 10
        assert one.deviation == pytest.approx(math.sqrt(values.var(axis=1, ddof=1).mean()))
        assert one.difference == pytest.approx(2.228 * math.sqrt(2) * one.deviation, rel=1e-3)


def test_verdicts_come_first_and_say_what_was_asked(full: report.StudyReport) -> None:
    told = [verdict.text for verdict in full.verdicts()]
    assert "with 16,000 rows llama learned more than deepseek: by" in told[0]
    assert "llama compared with deepseek" in told[1]
    assert "better with 1,000, 4,000, 8,000, 16,000; worse with 250." in told[1]
    assert any(
        re.search(
            r"llama passes .* 90% .* gain \(\d+\.\d%\): between [\d,]+ and [\d,]+ rows \(.*"
            r" won\)",
            one,
        )
        for one in told
    )
    assert any(
        re.search(
            r"deepseek passes .* 90% of the best gain \(\d+\.\d%\): not with up to 16,000", one
        )
        for one in told
    )
    assert any("32,000 rows instead of 16,000 would gain" in one for one in told)
    assert full.notes() == [Phrases("en")("study_how_sure")]


def test_a_study_ends_in_a_short_answer(full: report.StudyReport) -> None:
    console = Console(file=io.StringIO(), width=300)
    with console.capture() as captured:
        short.show(report.answer(full, Path("runs/a/report.html")), full.say, console)
    lines = captured.get().splitlines()
    assert len(lines) <= short.LINES and max(map(len, lines)) <= short.COLUMNS
    assert lines[0] == full.lead and lines[-1] == "  ./cli.py open runs/a"
    assert "".join(full.verdicts()[0].text.split()) in "".join("".join(lines).split())


def test_arms_of_one_seed_are_not_called_better_because_a_seed_does_not_speak_for_a_model(
    tmp_path: Path,
) -> None:
    sizes = (250, 1000, 4000)
    reports = {}
    for seeds in ((1,), (1, 2)):
        study, cells = made(tmp_path / str(seeds), Grid(sizes, seeds))
        reports[seeds] = report.StudyReport(study, (cells, []), Phrases("en"), None)
    one, two = reports.values()
    (gains, pair, *passes) = one.verdicts()
    assert (gains.outcome, pair.outcome) == ("adapters_differ", "same")
    assert "these adapters of llama gained" in gains.text
    assert "these adapters, deepseek compared with llama" in pair.text
    assert "they differ with 4,000" in pair.text and "Whether and where the curves cross" in (
        pair.text
    )
    assert all("these adapters of" in verdict.text for verdict in passes)
    assert not re.search("better|worse|learned", " ".join(each.text for each in one.verdicts()))
    assert "at all sizes together: llama; deepseek." in one.limits()[-1]
    (found,) = found_in(one).pairs
    assert found.crossings == [OPEN] and not found.includes_seeds
    assert outcome(found.sizes[-1][1]) == "worse"  # for these adapters
    (gains, pair, *passes) = two.verdicts()
    assert gains.outcome == "better" and "better with 1,000, 4,000" in pair.text
    assert not any("adapters" in text for text in [*two.notes(), *(each.text for each in passes)])


def test_an_arm_of_one_seed_beside_one_of_three_is_the_only_one_that_is_named(
    tmp_path: Path,
) -> None:
    study, cells = made(tmp_path, Grid((250, 1000), (1, 2, 3)))
    mixed = [each for each in cells if each.cell.arm == "llama" or each.cell.seed == 1]
    told = report.StudyReport(study, (mixed, []), Phrases("en"), None)
    assert "at all sizes together: deepseek." in told.limits()[-1]
    gains, _, of_llama, of_deepseek = (verdict.text for verdict in told.verdicts())
    assert "these adapters of llama gained" in gains
    assert "which llama passes" in of_llama and "these adapters of deepseek" in of_deepseek


def test_few_groups_of_items_give_no_verdict_on_gains(tmp_path: Path) -> None:
    study, cells = made(tmp_path, Grid((250, 4000), (1, 2, 3), premises=40))
    told = report.StudyReport(study, (cells, []), Phrases("en"), None)
    first = next(iter(told.verdicts()))
    assert first.outcome == "few" and "The items have 40 groups; a verdict needs 50." in first.text


def test_nothing_is_said_first_where_not_all_cells_have_the_target_task(
    full: report.StudyReport,
) -> None:
    study, cells = full.study, (full.scored, full.failed)
    other = report.StudyReport(
        replace(study, target_task="klue_nli_ko"), cells, Phrases("en"), None
    )
    assert other.verdicts() == []
    assert "not all cells were scored on the target task klue_nli_ko" in other.notes()[0]


def write(folder: Path, language: str, grid: Grid = Grid()) -> list[Path]:  # noqa: B008  (a tuple)
    """A report of a study whose last cell failed, with the shipped study's next steps."""
    study, cells = made(folder / "runs", grid)
    quick = file.load(ROOT / "recipes" / "studies" / "quickstart_study.yml").cells[0]
    known: dict[str, Any] = {
        "recipe": quick.recipe,
        "overrides": quick.overrides,
        "resolved": quick.resolved,
    }
    study = replace(study, cells=tuple(replace(cell, **known) for cell in study.cells))
    failed = [FailedCell(replace(cells[-1].cell, name=f"last {HOSTILE}"), f"no memory {HOSTILE}")]
    command = "./cli.py study recipes/studies/made.yml --price 3000"
    made_of = report.StudyReport(study, (cells[:-1], failed), Phrases(language), PRICE, command)
    return writing.write(made_of, folder / language, "a100-40")


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_markdown_and_json_hold_the_same_figures(tmp_path: Path, language: str) -> None:
    page, text, told = (path.read_text(encoding="utf-8") for path in write(tmp_path, language))
    read = html.unescape(re.sub(r"<(style|svg).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))
    figures = set(re.findall(r"\d[\d,.]*\d|\d", text.replace("\\", "")))
    assert figures <= set(re.findall(r"\d[\d,.]*\d|\d", read))
    assert "<script" not in page and "&lt;script" in page and "\\<script" in text
    assert (
        "KLUE-NLI v1.1" in text
        and "./cli.py study recipes/studies/made.yml --price 3000" in text.replace("\\", "")
    )
    found = json.loads(told)
    assert len(found["cells"]) == 11 and len(found["failed"]) == 1
    point = found["tasks"][TASK]["points"][0]
    assert f"{point['value']:.1%}" in text and f"{point['low']:.1%} ~ {point['high']:.1%}" in text


def test_the_next_step_lists_what_is_not_trained_on_with_leaks_that_are_counted_where_both_lie_here(
    tmp_path: Path,
) -> None:
    study = file.load(ROOT / "recipes" / "studies" / "quickstart_study.yml")
    found = {step.card.name: step for step in next_step.steps(study, "a100-40", PRICE)}
    assert found.keys() == {"aihub_dialogue", "chat", "klue_nli", "korquad", "naver_news", "nsmc"}
    assert {step.leaks for name, step in found.items()} == {None}
    nsmc, mine = found["nsmc"], found["chat"]
    assert (
        nsmc.plan
        and nsmc.alone
        and nsmc.plan.counted.rows > 140_000 > nsmc.plan.counted.rows - 150_000
    )
    assert nsmc.tokens == nsmc.plan.counted.tokens - nsmc.alone.counted.tokens > 0
    assert nsmc.seconds == nsmc.plan.gpu_plans[0].total - nsmc.alone.gpu_plans[0].total > 0
    assert mine.plan is None and mine.tokens is mine.seconds is mine.training_steps is None
    (table,) = [tables.next_steps([nsmc, mine], PRICE, Phrases("en"), [])]
    assert table.rows[0][1] == "CC0-1.0" and "premises of KLUE-NLI train" in table.rows[0][2]
    told = tables.next_steps([nsmc, mine], PRICE, Phrases("ko"), []).rows
    assert "KLUE-NLI 학습 데이터의 전제" in told[0][2] and told[1][:2] == (
        "직접 준비한 대화",
        "직접 확인 필요",
    )
    assert table.rows[1][3:] == ("your own", "-", "-", "-", "-")
    assert (
        tables._step(replace(nsmc, leaks={TASK: 12}), None, Phrases("en"))[2] == f"{TASK}: 12 rows"
    )


def test_leaks_are_counted_in_the_files_that_are_here(tmp_path: Path) -> None:
    for name in ("ratings_train.txt", "ratings_test.txt"):
        write_text(
            tmp_path / name,
            (ROOT / "kodata" / "samples" / "nsmc" / name).read_text(encoding="utf-8"),
        )
    recipe: Any = SimpleNamespace(
        data=(), data_path={"nsmc": tmp_path}, tasks=("nsmc_ko", "klue_nli_ko"), leaks="drop"
    )
    before = next_step._leaks(recipe, "nsmc")
    assert before is not None and before.keys() == {"nsmc_ko"}
    asked = (tmp_path / "ratings_test.txt").read_text(encoding="utf-8").splitlines()[1:3]
    train = tmp_path / "ratings_train.txt"
    write_text(
        train,
        train.read_text(encoding="utf-8").rstrip("\n")
        + "\n"
        + "\n".join(f"9{line}" for line in asked)
        + "\n",
    )
    assert next_step._leaks(recipe, "nsmc") == {"nsmc_ko": before["nsmc_ko"] + 2}
    assert next_step._leaks(recipe, "klue_nli") is None


def test_a_plot_joins_points_without_a_law_and_follows_a_law_to_twice_the_largest_size(
    full: report.StudyReport, tmp_path: Path
) -> None:
    drawn = list(series(found_in(full)))
    laws = [one for one in drawn if one.dashed]
    assert [one.label for one in laws] == ["llama", "deepseek"] and len(drawn) == 2 * (5 + 1)
    assert [point.x for point in (laws[0].points[0], laws[0].points[-1])] == pytest.approx(
        [250, 32_000]
    )
    few = list(series(findings(tmp_path, Grid())))
    assert [(one.label, len(one.points), one.marked) for one in few] == [
        ("llama", 3, True),
        ("deepseek", 3, True),
    ]
    assert all(point.low is not None for one in few for point in one.points)


def test_a_value_that_is_not_known_is_a_dash() -> None:
    words: Any = SimpleNamespace(level=str)
    assert tables._ends(Estimate(0.5, math.nan, math.nan), words) == "-"


@needs_browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_quiet_runs_nothing_and_fits_a_phone_and_paper(
    tmp_path: Path, language: str
) -> None:
    page, *_ = write(tmp_path, language, Grid(FULL.sizes, FULL.seeds, premises=30))
    with Browser() as browser:
        browser.open(page, width=375)
        assert browser.value("document.documentElement.scrollWidth") == 375
        assert browser.value("document.querySelectorAll('script, img, iframe, link').length") == 0
        assert browser.value("document.querySelectorAll('figure svg').length") == 1
        browser.open(page, width=718, media="print")
        assert browser.value("document.documentElement.scrollWidth") == 718
        assert browser.value("window.ran === undefined")
        assert (browser.complaints, browser.asked) == ([], [])
    assert read_json(page.parent / "study.json")["tasks"][TASK]["n"] == 90
