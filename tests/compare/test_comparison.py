"""Runs are compared on the items that both were asked; what is not the same is told, what cannot be
compared is refused."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kodata.metrics.naturalness.signals import FAULTS, SIGNALS
from kotune.compare import paired
from kotune.compare.comparison import against, comparisons
from kotune.compare.differences import differences
from kotune.compare.result import Result
from kotune.display.phrases import Phrases
from kotune.errors import KotuneError, RecipeError
from kotune.recipe.reading import digest
from kotune.recipe.reading import load as load_recipe
from kotune.report.comparison_tables import references
from kotune.report.report import Report
from kotune.report.writing import write_as
from kotune.runs.finished import SCORED_FILES, Finished, find, load
from kotune.runs.folder import read_json, sha256, write_json, write_text
from kotune_tasks.card import cards
from tests.conftest import ROOT, Cli
from tests.finished import LLAMA, MANIFEST, PARITY, RECORD, Made, finished
from tests.test_cli import assert_one_message

pytest.importorskip("scipy")
QUICK = ROOT / "recipes" / "quickstart_llama.yml"
OTHER = Made(model="quickstart-deepseek", rates=(0.35, 0.9))
SAMPLES = "samples/tuned/nli_sample_ko.jsonl"


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process; the command line, started apart, draws all of them."""
    monkeypatch.setattr(paired, "RESAMPLES", 500)


def two(tmp_path: Path, a: Made = LLAMA, b: Made = OTHER) -> list[Finished]:
    return load([finished(tmp_path / "a", a), finished(tmp_path / "b", b)])


def test_base_is_compared_with_tuned_and_then_tuned_with_tuned(tmp_path: Path) -> None:
    found = comparisons(two(tmp_path))
    metrics = ["acc", "macro_f1", "triple_acc", "brier"]
    sides = [("a base", "a tuned"), ("b base", "b tuned"), ("a tuned", "b tuned")]
    assert [(one.metric, one.a.name, one.b.name) for one in found] == [
        (m, *pair) for pair in sides for m in metrics
    ]
    scores = read_json(tmp_path / "a" / "scores.json")["nli_sample_ko"]
    assert found[0].paired.value_a == pytest.approx(scores["base"]["acc"]["value"])
    assert found[0].paired.value_b == pytest.approx(scores["tuned"]["acc"]["value"])
    assert (found[0].paired.n, found[0].paired.groups) == (150, 50)
    assert [one.is_lower_better for one in found[:4]] == [False, False, False, True]


def test_holm_adjusts_over_the_primary_metrics_of_all_comparisons_and_no_others(
    tmp_path: Path,
) -> None:
    found = comparisons(two(tmp_path))
    primaries = [one for one in found if one.metric == "acc"]
    expected = paired.holm([one.paired.p_value for one in primaries])
    assert [one.p_holm for one in primaries] == expected
    assert {one.p_holm for one in found if one.metric != "acc"} == {None}
    assert expected[0] > primaries[0].paired.p_value


def test_signals_that_nobody_has_judged_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = load([finished(tmp_path / "a", Made(whole=True))])
    assert "consistent_and_right" in {row.metric for row in comparisons(runs)}
    monkeypatch.setattr("kotune.compare.comparison.SIGNALS", {"consistent_and_right"})
    metrics = {row.metric for row in comparisons(runs)}
    assert "acc" in metrics and "consistent_and_right" not in metrics


def test_faults_of_naturalness_are_compared_and_its_signals_are_not() -> None:
    assert cards()["ko_naturalness"].primary == "faulty_answers"
    assert not {*FAULTS} & SIGNALS
    assert {"function_profile", "pronouns", "speech_mixed"} <= SIGNALS


def test_only_items_that_both_were_asked_are_compared_and_the_rest_is_told(tmp_path: Path) -> None:
    runs = two(tmp_path, b=Made(model="other", first=10, premises=60))
    between = comparisons(runs)[-1]
    assert (between.paired.n, between.paired.groups) == (120, 40)
    told = {row.what: (row.a, row.b) for row in differences(*runs)}
    assert told == {"nli_sample_ko items that the other was not asked": (30, 60)}


@pytest.mark.parametrize(
    "b", [Made(first=1000), Made(asked="무엇입니까?")], ids=["other items", "another question"]
)
def test_runs_with_nothing_in_common_are_refused(tmp_path: Path, b: Made) -> None:
    with pytest.raises(
        KotuneError, match=r"a and .*b: no item in common; compare runs that share a task"
    ):
        comparisons(two(tmp_path, b=b))


def test_what_is_not_the_same_is_told_with_both_values(tmp_path: Path) -> None:
    runs = two(
        tmp_path,
        b=Made(
            record={
                "seed": 43,
                "limit": 120,
                "launcher": ["torchrun"],
                "versions": {"axolotl": "0.20.0", "torch": None},
            }
        ),
    )
    config = read_json(tmp_path / "b" / "axolotl.yml")
    write_json(
        tmp_path / "b" / "axolotl.yml", {**config, "base_model": "x", "learning_rate": 0.002}
    )
    manifest = read_json(tmp_path / "b" / "data" / "manifest.json")
    manifest["entries"][0]["kept"]["train"] = 399
    write_json(tmp_path / "b" / "data" / "manifest.json", manifest)
    told = {row.what: (row.a, row.b) for row in differences(*load([run.folder for run in runs]))}
    assert set(told) == {
        "seed",
        "limit",
        "launcher",
        "axolotl",
        "axolotl.learning_rate",
        "training data",
    }
    assert (told["seed"], told["limit"], told["axolotl.learning_rate"]) == (
        (42, 43),
        (None, 120),
        (0.001, 0.002),
    )


@pytest.mark.parametrize(
    ("dtype", "model", "sizes", "is_told"),
    [
        ("bfloat16", "x", [128, 256], True),
        ("float16", "x", [64], True),
        ("float32", "x", [128], False),
        ("bfloat16", "x", [256], False),
        ("bfloat16", "another", [128], False),
        ("bfloat16", "x", [], False),
    ],
)
def test_batches_of_answers_are_a_difference_where_they_can_change_one(
    tmp_path: Path, dtype: str, model: str, sizes: list[int], is_told: bool
) -> None:
    """In 16 bits two tokens may be as likely. Another model has others by nature, and earlier
    versions do not say."""
    record = {"compute_dtype": dtype}
    runs = two(
        tmp_path,
        replace(LLAMA, model="x", record=record),
        replace(LLAMA, model=model, record=record),
    )
    for run, tuned in zip(runs, ([256], sizes), strict=True):
        batches = {"batches": {"base": [32], "tuned": tuned}}
        run.scores["nli_sample_ko"] = run.scores["nli_sample_ko"].model_copy(update=batches)
    told = [("nli_sample_ko batches of answers", [256], sizes)] if is_told else []
    assert differences(*runs) == told


def test_two_models_alone_are_no_difference(tmp_path: Path) -> None:
    assert differences(*two(tmp_path)) == []


def cut(folder: Path) -> None:
    path = folder / SAMPLES
    path.write_bytes(path.read_bytes()[:-40])


def edited(folder: Path) -> None:
    path = folder / SAMPLES
    write_text(path, path.read_text(encoding="utf-8").replace('"acc": 0.0', '"acc": 1.0'))


def unscored(folder: Path) -> None:
    write_json(folder / "run.json", {**RECORD, "stages": {"prepare": RECORD["stages"]["prepare"]}})


def older(folder: Path) -> None:
    scores = read_json(folder / "scores.json")
    del scores["nli_sample_ko"]["sha256"]
    write_json(folder / "scores.json", scores)


def unknown_task(folder: Path) -> None:
    scores = read_json(folder / "scores.json")
    write_json(folder / "scores.json", {"gone_ko": scores["nli_sample_ko"]})


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (
            cut,
            (
                f"{SAMPLES}: missing or changed since it was scored; remove b/scores.json and run"
                " `./cli.py run recipes/made"
            ),
        ),
        (edited, f"{SAMPLES}: missing or changed since it was scored"),
        (
            lambda folder: (folder / SAMPLES).unlink(),
            f"{SAMPLES}: missing or changed since it was scored",
        ),
        (unscored, "b: not scored yet; continue with `./cli.py run recipes/made.yml`"),
        (
            older,
            "b: scored by another version of kotune; run `./cli.py run recipes/made.yml` again",
        ),
        (unknown_task, "b: scored by another version of kotune"),
        (
            lambda folder: write_text(folder / "run.json", '{"seed": '),
            "run.json: missing or damaged; not a run folder",
        ),
        (
            lambda folder: write_text(folder / "scores.json", "[1]"),
            "scores.json: missing or damaged; run `./cli.py",
        ),
        (lambda folder: (folder / "axolotl.yml").unlink(), "axolotl.yml: missing or damaged"),
        (
            lambda folder: write_json(folder / "parity.json", {}),
            "parity.json: missing or damaged; remove it and run",
        ),
        (
            lambda folder: write_text(folder / "metrics.jsonl", "{torn\n"),
            "metrics.jsonl: missing or damaged",
        ),
        (
            lambda folder: (folder / "metrics.jsonl").write_bytes(b"\xff\n"),
            "metrics.jsonl: missing or damaged",
        ),
        (
            lambda folder: write_json(folder / "data" / "manifest.json", []),
            "manifest.json: missing or damaged",
        ),
        (
            lambda folder: write_json(folder / "run.json", {"stages": RECORD["stages"]}),
            "scored by another version",
        ),
        (
            lambda folder: write_json(folder / "run.json", {**RECORD, "versions": None}),
            "scored by another version",
        ),
        (
            lambda folder: write_json(folder / "run.json", {**RECORD, "stages": None}),
            "not scored yet",
        ),
        (lambda folder: write_json(folder / "scores.json", {}), "scored by another version"),
        (
            lambda folder: write_json(folder / "scores.json", {"nli_sample_ko": None}),
            "scored by another version",
        ),
        (
            lambda folder: write_json(folder / "parity.json", {**PARITY, "labels": None}),
            "parity.json: missing or damaged",
        ),
        (
            lambda folder: write_json(
                folder / "data" / "manifest.json", {**MANIFEST, "entries": [{}]}
            ),
            "manifest.json: missing",
        ),
        (
            lambda folder: write_json(
                folder / "data" / "manifest.json", {**MANIFEST, "entries": []}
            ),
            "manifest.json: missing",
        ),
        (
            lambda folder: write_text(folder / "metrics.jsonl", '{"event": "log", "loss": 1}\n'),
            "metrics.jsonl: missing or damaged",
        ),
        (
            lambda folder: write_text(
                folder / "metrics.jsonl", '{"event": "log", "step": 1, "loss": null}\n'
            ),
            "metrics.jsonl",
        ),
        (
            lambda folder: write_text(folder / "recipe.yml", "adapter: lora\n"),
            "recipe.yml: missing or damaged",
        ),
        (
            lambda folder: write_text(folder / "axolotl.yml", "a: [b"),
            "axolotl.yml: missing or damaged; remove it and run",
        ),
        (shutil.rmtree, "b: neither a run folder nor a recipe"),
    ],
    ids=[
        "cut",
        "edited",
        "gone",
        "unscored",
        "older",
        "unknown task",
        "run.json",
        "scores.json",
        "axolotl.yml",
        "torn axolotl.yml",
        "parity.json",
        "metrics.jsonl",
        "bytes",
        "manifest.json",
        "bare record",
        "null versions",
        "null stages",
        "no scores",
        "null scores",
        "null labels",
        "bare entry",
        "no entry",
        "no step",
        "null loss",
        "no model",
        "no folder",
    ],
)
def test_a_run_that_cannot_be_compared_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Any, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    two(tmp_path)
    harm(tmp_path / "b")
    with pytest.raises(KotuneError) as caught:
        runs = load([find(Path(name), tmp_path) for name in ("a", "b")])
        write_as(Report(Result.of(runs), Phrases("en")), None, tmp_path / "page.md")
    assert told in str(caught.value)


def test_the_same_run_is_not_compared_with_itself_whatever_its_path(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(KotuneError, match=r"the same run as .*a; give each run once"):
        load([folder, tmp_path / "link"])


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    folders = [finished(tmp_path / place / "run-1") for place in ("x", "y")]
    assert [run.name for run in load(folders)] == list(map(str, folders))


def test_a_recipe_stands_for_its_run_over_all_items_else_for_its_newest(tmp_path: Path) -> None:
    recipe = load_recipe(QUICK)
    names = {limit: f"{QUICK.stem}-{digest(recipe, limit)}" for limit in (None, 300, "quick")}
    for limit, at in ((None, 10), (300, 30), ("quick", 20)):
        stages = {**RECORD["stages"], "score": {"inputs": {}, "seconds": 1.0, "finished": at}}
        finished(tmp_path / names[limit], Made(record={"limit": limit, "stages": stages}))
    finished(tmp_path / f"{QUICK.stem}-01234567", Made(record={"limit": 5}))
    assert find(QUICK, tmp_path).name == names[None]
    shutil.rmtree(tmp_path / names[None])
    assert find(QUICK, tmp_path).name == names[300]


def test_a_recipe_without_a_run_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        find(QUICK, tmp_path)
    made = f"make one with `./cli.py run {QUICK} --runs-dir {tmp_path}`"
    missing = f"{tmp_path} has no scored run of the recipe as it is now"
    assert str(caught.value) == f"{QUICK}: {missing}; {made}"
    other = finished(tmp_path / f"{QUICK.stem}-01234567")
    with pytest.raises(
        RecipeError, match=f"or give a run with other settings: {re.escape(str(other))}$"
    ):
        find(QUICK, tmp_path)


@pytest.mark.parametrize(
    "name", ["scores.json", "metrics.jsonl", "data/manifest.json", "parity.json"]
)
def test_an_edited_file_of_a_run_is_told(tmp_path: Path, name: str) -> None:
    folder = finished(tmp_path / "a")
    text = (folder / name).read_text(encoding="utf-8")
    made = {name: sha256(folder / name)}
    stages = {
        **RECORD["stages"],
        "score": {"inputs": {}, "made": made, "seconds": 1.0, "finished": 1},
    }
    write_json(folder / "run.json", {**RECORD, "stages": stages})
    write_as(Report(Result.of(load([folder])), Phrases("en")), None, tmp_path / "page.md")
    write_text(folder / name, text.replace("1", "2", 1))
    with pytest.raises(
        KotuneError,
        match=f"{name}: changed since it was made; run `./cli.py run recipes/made.yml` again",
    ):
        write_as(Report(Result.of(load([folder])), Phrases("en")), None, tmp_path / "page.md")


@pytest.mark.parametrize("kind", ["adapter", "tokenizer"])
def test_a_run_whose_model_was_replaced_after_scoring_is_refused(
    cli: Cli, tmp_path: Path, kind: str
) -> None:
    """By compare and by report, whatever they show. A run without its model is complete."""
    folder, file = finished(tmp_path / "a"), SCORED_FILES[kind]
    write_text(folder / file, "as scored")
    score = {**RECORD["stages"]["score"], "inputs": {kind: sha256(folder / file)}}
    write_json(folder / "run.json", {**RECORD, "stages": {**RECORD["stages"], "score": score}})
    assert cli("compare", "a", "--json").returncode == 0
    write_text(folder / file, "another")
    told = f"a/{file}: changed since it was scored; put the scored file back, or run `./cli.py"
    for words in (("compare", "a", "--json"), ("report", "a")):
        done = cli(*words)
        assert (done.returncode, done.stdout) == (1, "") and told in done.stderr, words
    (folder / file).unlink()
    assert cli("compare", "a").returncode == 0


@pytest.mark.parametrize("name", ["data/manifest.json", "parity.json"])
def test_a_run_with_an_edited_proof_or_manifest_is_refused_when_it_is_loaded(
    tmp_path: Path, name: str
) -> None:
    folder, stages = finished(tmp_path / "a"), RECORD["stages"]
    prepare = {**stages["prepare"], "made": {name: sha256(folder / name)}}
    write_json(folder / "run.json", {**RECORD, "stages": {**stages, "prepare": prepare}})
    load([folder])
    edited = (folder / name).read_text(encoding="utf-8").replace("1", "2", 1)
    write_text(folder / name, edited)
    with pytest.raises(KotuneError, match=f"{name}: changed since it was made"):
        load([folder])


def test_the_run_with_which_49_others_are_compared_is_resampled_once(tmp_path: Path) -> None:
    folders = [
        finished(tmp_path / f"run-{number}", Made(seed=number, premises=10)) for number in range(50)
    ]
    paired._resampled.cache_clear()
    found = comparisons(load(folders))
    assert len(found) == (50 + 49) * 4
    assert sum(one.p_holm is not None for one in found) == 99
    assert paired._resampled.cache_info().hits >= 49 * 4


def test_json_has_every_key_and_null_where_there_is_no_number(cli: Cli, tmp_path: Path) -> None:
    one_premise = Made(premises=1)
    finished(tmp_path / "a", one_premise)
    finished(tmp_path / "b", Made(model="quickstart-deepseek", premises=1, record={"seed": 1}))
    done = cli("compare", "a", "b", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    keys = (
        "task metric a b value_a value_b difference ci_low ci_high p_value p_holm p_mcnemar n"
        " groups detectable is_alike seeds includes_seeds"
    )
    assert all(list(row) and set(row) == set(keys.split()) for row in told["comparisons"])
    assert len(told["comparisons"]) == 12
    assert (told["comparisons"][0]["ci_low"], told["comparisons"][0]["detectable"]) == (None, None)
    assert told["differences"] == [
        {"a": "a", "b": "b", "what": "seed", "value_a": 42, "value_b": 1}
    ]
    cost = told["efficiency"][0]
    assert (cost["run"], cost["tokens_per_second"], cost["samples_per_second"]) == (
        "a",
        500.0,
        10.0,
    )
    # 20,000 tokens with half as many of padding, and 20,000 with as many.
    assert cost["padding"] == 1.75
    assert (cost["seconds"]["train"], cost["trainable_parameters"], cost["steps"]) == (
        60.0,
        163_840,
        40,
    )


def test_a_run_is_held_against_its_reference_lines_item_by_item(tmp_path: Path) -> None:
    made = Made(lines=("majority", "hypothesis_only"))
    runs = load([finished(tmp_path / "a", made), finished(tmp_path / "b", OTHER)])
    told = against(runs)
    assert [(one.metric, one.a.name, one.b.name) for one in told] == [
        ("acc", "a majority", "a tuned"),
        ("acc", "a hypothesis_only", "a tuned"),
    ]
    assert told[0].paired.value_a == pytest.approx(1 / 3)
    assert told[0].paired.value_b == pytest.approx(
        runs[0].scores["nli_sample_ko"].tuned["acc"].value
    )
    assert (told[0].paired.n, told[0].paired.groups) == (150, 50)
    assert [one.p_holm for one in told] == paired.holm([one.paired.p_value for one in told])
    before = [one.p_holm for one in comparisons(load([finished(tmp_path / "c"), tmp_path / "b"]))]
    assert [
        one.p_holm for one in comparisons(runs)
    ] == before  # the lines do not cost the models' comparisons anything


def test_the_table_of_lines_has_chance_measured_and_published_lines_and_says_what_is_absent(
    tmp_path: Path,
) -> None:
    folders = finished(tmp_path / "a", Made(lines=("overlap",))), finished(tmp_path / "b", OTHER)
    scores = read_json(folders[1] / "scores.json")
    figure = {
        "name": "Some-BERT",
        "metric": "acc",
        "value": 0.875,
        "split": "dev",
        "source": "https://example.org",
    }
    scores["nli_sample_ko"]["published"] = [figure, {**figure, "metric": "macro_f1"}]
    scores["nli_sample_ko"]["references"] = {"rows": 0, "absent": "not trained", "lines": {}}
    write_json(folders[1] / "scores.json", scores)
    table = references(Result.of(load(folders)), Phrases("en"))
    assert [(row[0], row[3], row[4]) for row in table.rows] == [
        ("1", "chance", "33.3%"),
        ("1", "classifier on the overlap of both sentences", "33.3%"),
        ("2", "chance", "33.3%"),
        ("2", "Some-BERT", "87.5%"),
    ]
    assert table.rows[1][5].startswith("+3") and table.rows[1][8] == "150 / 50"
    assert table.rows[3][9] == "https://example.org (dev)"
    assert {len(row) for row in table.rows} == {len(table.head)}
    absent = (
        "quickstart-deepseek, nli_sample_ko: no baseline is computed here: the run did not"
        " train on the task's source."
    )
    assert table.notes[1:] == [absent]


def test_the_screen_says_the_verdict_first_and_marks_what_differs_by_words(
    cli: Cli, tmp_path: Path
) -> None:
    finished(tmp_path / "a")
    finished(tmp_path / "b", Made(model="quickstart-deepseek", record={"seed": 1}))
    done = cli("compare", "a", "b", "--html", "kept.html")
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "kept.html").read_text(encoding="utf-8")
    assert page.count('<li class="better">') == 2
    plot = page[page.index("<b>nli_sample_ko acc</b>") :].partition("</figure>")[0]
    pairs = [" ".join(label.split()) for label in re.findall(r'"label">([^<]*→[^<]*)<', plot)]
    assert pairs == ["1 base → 1 tuned", "2 base → 2 tuned", "1 tuned → 2 tuned"]
    assert not re.search(r"<script|<link|url\((?!data:)|(?:src|href)=", page)
    assert page.index('class="alert"') > page.index("NOT THE SAME")
    assert re.match(r"Reasoning: 7.* No difference found between\sthese two", done.stdout)
    assert "NOT THE SAME" in done.stdout and done.stdout.lower().count("page: kept.html") == 1
    lines = cli("compare", "a", "b", "--all").stdout.splitlines()
    assert [line.split() for line in lines if line.split()[:1] == ["seed"]] == [["seed", "42", "1"]]
    korean = cli("compare", "a", "--lang", "ko").stdout
    assert korean.startswith("추론: quickstart-llama 모델은 튜닝 후 개선되었습니다.")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["a", "a"], 1, "a: the same run as a; give each run once"),
        (["a", "--html", "."], 2, "--html .: is a folder; name a file"),
        (["absent"], 2, "absent: neither a run folder nor a recipe"),
        (
            [QUICK],
            2,
            "runs has no scored run of the recipe as it is now; make one with"
            f" `./cli.py run {QUICK}`",
        ),
        ([ROOT / "README.md"], 2, "README.md"),
        (["."], 2, "run.json: missing or damaged; not a run folder"),
    ],
)
def test_a_mistake_is_one_message(
    cli: Cli, tmp_path: Path, words: list[Any], code: int, told: str
) -> None:
    finished(tmp_path / "a")
    assert_one_message(cli("compare", *words), code, told)
