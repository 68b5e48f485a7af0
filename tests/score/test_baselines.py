"""Reference lines: made of the run's own training rows, asked exactly what the model was asked,
scored by the task itself."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kodata import klue_nli, nli_sample
from kodata.errors import DataError
from kodata.metrics.classifiers import Classifier, Majority, views, word_pairs
from kodata.reading import files
from kotune.layout import TRAIN
from kotune.runs.folder import write_text
from kotune.runs.task_data import TaskData
from kotune.score import baselines
from kotune.score.baselines import BaselineAnswers, BaselineScorer
from kotune.score.harness import Loaded, load_task
from kotune.score.samples import SampleRow
from kotune.score.scoring import metrics
from kotune_tasks.card import cards
from tests.conftest import ROOT, only_records

pytest.importorskip("sklearn")
pytest.importorskip("lm_eval")


def write_rows(folder: Path, records: list[Any], held: Sequence[Any] = ()) -> None:
    """Training rows and validation rows, as far as lines are made of them."""
    row = {"guid": "g", "source": "nli_sample", "form": "label", "messages": []}
    for name, part in (("train", records), ("validation", held)):
        lines = [
            json.dumps({**row, "doc": json.dumps(record)}, ensure_ascii=False) + "\n"
            for record in part
        ]
        write_text(folder / "data" / f"{name}.jsonl", "".join(lines))


def trained(folder: Path, rows: int = 600, most: int = baselines.ROWS) -> BaselineScorer:
    """The lines of a run that trained on the sample's first rows."""
    records = list(only_records(nli_sample.read("train")))[:rows]
    write_rows(folder, records)
    return BaselineScorer(folder, most)


def found(
    lines: BaselineScorer, name: str, items: int = 171, path: Path | None = None
) -> tuple[Loaded, BaselineAnswers]:
    task = load_task(name, TaskData(path))
    docs = list(task.task.eval_docs)[:items]
    return task, lines.of(
        task,
        [
            {"doc_id": at, "cluster": doc[task.card.cluster], "metrics": {}}
            for at, doc in enumerate(docs)
        ],
    )


@pytest.mark.parametrize(
    "name", ["nli_sample_ko", "nli_sample_ko_gen", "nli_sample_consistency_ko"]
)
def test_a_line_is_right_where_its_classifier_is(tmp_path: Path, name: str) -> None:
    task, lines = found(trained(tmp_path), name)
    assert (lines.rows, lines.absent) == (600, None)
    assert list(lines.samples) == ["majority", "hypothesis_only", "overlap"]
    records = list(only_records(nli_sample.read("train")))[:600]
    docs = [task.task.eval_docs[sample["doc_id"]] for sample in lines.samples["overlap"]]
    said = Classifier(records, "overlap").predict(docs)
    for label, doc, sample in zip(said, docs, lines.samples["overlap"], strict=True):
        if "acc" in sample["metrics"]:
            assert sample["metrics"]["acc"] == float(label == doc["label"])
    majority = metrics({}, lines.samples["majority"])["acc"]
    assert majority.value == pytest.approx(1 / 3)
    assert len({sample["prediction"] for sample in lines.samples["majority"]}) == 1


def test_probabilities_of_a_classifier_are_scored_as_a_models_are(tmp_path: Path) -> None:
    _, lines = found(trained(tmp_path), "nli_sample_ko")
    scores = {name: metrics({}, samples) for name, samples in lines.samples.items()}
    assert scores["majority"]["brier"].value == pytest.approx(2 / 3)
    assert scores["majority"]["ece"].value == pytest.approx(0, abs=1e-9)
    overlap = scores["overlap"]
    assert overlap["ece"].value and 0 < overlap["ece"].value < 1
    assert overlap["acc_time"].n < overlap["acc"].n == 171


def test_there_is_no_line_without_training_rows_of_the_source_and_it_is_said_why(
    tmp_path: Path,
) -> None:
    path = ROOT / "kodata" / "samples" / "nsmc"
    assert found(trained(tmp_path), "nsmc_ko", path=path)[1] == BaselineAnswers(
        {}, 0, "not trained"
    )
    assert found(trained(tmp_path, rows=1), "nli_sample_ko")[1] == BaselineAnswers({}, 1, "too few")


def test_training_rows_of_one_label_are_no_line_and_no_crash_after_hours_of_scoring(
    tmp_path: Path,
) -> None:
    neutral = [
        record for record in only_records(nli_sample.read("train")) if record["label"] == "neutral"
    ][:50]
    write_rows(tmp_path, neutral)
    _, answers = found(BaselineScorer(tmp_path), "nli_sample_ko")
    assert answers == BaselineAnswers({}, 50, "one label")
    with pytest.raises(DataError, match="all 50 training rows have the label neutral"):
        Classifier(neutral, "overlap")


REUSED = ("비가 온다", "눈이 온다", "해가 뜬다", "달이 진다")
# Which pairs of an entailment and a contradiction mean the same is arbitrary, so that only pairs of
# words tell them apart.
CROSSED = [
    {"premise": a, "hypothesis": b, "label": "entailment" if (i + j) % 2 else "contradiction"}
    for i, a in enumerate(REUSED)
    for j, b in enumerate(
        ("우산이 필요하다", "장갑이 필요하다", "모자가 필요하다", "등불이 필요하다")
    )
]


TEXTS = ("가나다{0} 라마바{0}", "사아자{0} 차카타{0}")
# Every row has new words. The hypothesis repeats the premise or does not.
SHARED = [
    {
        "premise": a.format(n),
        "hypothesis": b.format(n),
        "label": "entailment" if a == b else "contradiction",
    }
    for n in range(15)
    for a in TEXTS
    for b in TEXTS
]


@pytest.mark.parametrize(
    ("records", "held", "kept"),
    [
        (CROSSED * 5, CROSSED, "crossed"),
        (SHARED[:40], SHARED[40:], "overlap"),
        (CROSSED * 5, (), "overlap"),
    ],
    ids=["pairs of words", "overlap", "no validation rows"],
)
def test_of_the_classifiers_of_both_sentences_the_better_on_validation_is_the_line(
    tmp_path: Path, records: list[Any], held: Sequence[Any], kept: str
) -> None:
    write_rows(tmp_path, records, held)
    known = BaselineScorer(tmp_path)._learned("nli_sample").known
    assert list(known) == ["majority", "hypothesis_only", kept]
    told = known[kept].likelihoods(held) if held else []
    answers = [max(each, key=lambda label: each[label]) for each in told]
    assert answers == [record["label"] for record in held]


def test_a_pair_of_words_is_counted_once_and_in_one_order() -> None:
    assert word_pairs("비가 온다 비가", "우산이 온다") == [
        "비가 온다",
        "비가 우산이",
        "온다 온다",
        "온다 우산이",
    ]


@pytest.mark.parametrize(
    "name", ["nli_sample_ko", "nli_sample_ko_gen", "nli_sample_consistency_ko"]
)
def test_the_majority_lines_answer_is_right_exactly_if_it_is_the_gold_answer(
    tmp_path: Path, name: str
) -> None:
    """The labels of the training rows are equally frequent, so all are equally likely."""
    whole = list(only_records(nli_sample.read("train")))
    labels = ("contradiction", "entailment", "neutral")
    rows = [
        record
        for label in labels
        for record in [one for one in whole if one["label"] == label][:100]
    ]
    write_rows(tmp_path, rows)
    task, lines = found(BaselineScorer(tmp_path), name)
    samples = lines.samples["majority"]
    golds = [task.right_answer(task.task.eval_docs[sample["doc_id"]]) for sample in samples]
    right = [
        (sample["prediction"] == gold, sample["metrics"]["acc"] == 1)
        for sample, gold in zip(samples, golds, strict=True)
        if "acc" in sample["metrics"]
    ]
    assert {(True, True), (False, False)} == set(right)


@pytest.mark.slow
def test_both_classifiers_of_both_sentences_take_under_20_cpu_seconds_on_klue(
    real_klue: Path,
) -> None:
    """All 24,998 rows. Overlap: .60 of the official dev file; pairs of words: .37."""
    train, test = (list(only_records(klue_nli.read(part, real_klue))) for part in ("train", "test"))
    begun, right = time.process_time(), {}
    for name in baselines.RIVALS:
        told = Classifier(train, name).predict(test)
        right[name] = sum(map(str.__eq__, told, (record["label"] for record in test))) / len(test)
    assert time.process_time() - begun < 20
    assert right["overlap"] > 0.58 > 0.45 > right["crossed"] > 0.35


@pytest.mark.parametrize("items", [1, 171])
def test_a_task_whose_answer_is_no_label_has_no_line(tmp_path: Path, items: int) -> None:
    assert found(trained(tmp_path), "nli_sample_write_ko", items)[1] == BaselineAnswers({}, 0, None)
    korquad = ROOT / "kodata" / "samples" / "korquad"
    assert found(trained(tmp_path), "korquad_ko", path=korquad)[1] == BaselineAnswers({}, 0, None)


@pytest.mark.parametrize(
    ("name", "line", "prefix", "said"),
    [
        ("naver_news_ko", "lead3", "lead3_", ""),
        ("nli_sample_write_ko", "human_sentences", "human_", "비가 온다."),
    ],
)
def test_what_a_task_scores_beside_every_answer_is_a_line(
    tmp_path: Path, name: str, line: str, prefix: str, said: str
) -> None:
    path = ROOT / "kodata" / "samples" / "naver_news" if name == "naver_news_ko" else None
    task, primary = load_task(name, TaskData(path)), cards()[name].primary
    samples: list[SampleRow] = [
        {
            "doc_id": at,
            "guid": doc["guid"],
            "cluster": str(at),
            "prediction": said,
            "metrics": dict(task.task.process_results(doc, [said])),
        }
        for at, doc in enumerate(list(task.task.eval_docs)[:5])
    ]
    lines = BaselineScorer(tmp_path).of(task, samples)
    assert (list(lines.samples), lines.absent) == ([line], None)
    for told, sample in zip(lines.samples[line], samples, strict=True):
        assert (told["doc_id"], told["guid"], told["cluster"]) == (
            sample["doc_id"],
            sample["guid"],
            sample["cluster"],
        )
        assert told["metrics"][primary] == sample["metrics"][f"{prefix}{primary}"]
        assert set(told["metrics"]) < set(sample["metrics"])
    value, own = (metrics({}, each)[primary].value for each in (lines.samples[line], samples))
    assert value and own is not None and value > own
    bare: list[SampleRow] = [{**sample, "metrics": {"empty": 0.0}} for sample in samples]
    assert BaselineScorer(tmp_path).of(task, bare).samples == {}


def test_every_line_that_a_task_tells_of_has_the_judged_metric() -> None:
    told = {name: card.lines for name, card in cards().items() if card.lines}
    assert set(told) == {"naver_news_ko", "klue_nli_write_ko", "nli_sample_write_ko"}
    for name, lines in told.items():
        text = (
            ROOT
            / "tasks"
            / name.replace("nli_sample", "klue_nli")
            / f"{name.replace('nli_sample', 'klue_nli')}.yaml"
        )
        for prefix in lines.values():
            assert f"metric: {prefix}{cards()[name].primary}," in text.read_text(encoding="utf-8")


def test_reviews_have_a_line_of_their_own() -> None:
    records = [
        {"guid": str(n), "document": f"{'재미' if n % 2 else '지루'} {n}", "label": str(n % 2)}
        for n in range(40)
    ]
    assert views(records[0]) == ["ngrams"]
    assert Classifier(records, "ngrams").predict(records) == [record["label"] for record in records]
    told = Majority([*records, {"label": "1"}]).likelihoods(records)[0]
    assert max(told, key=lambda label: told[label]) == "1"


def test_of_many_rows_so_many_are_taken_from_all_over(tmp_path: Path) -> None:
    lines = trained(tmp_path, rows=250, most=100)
    records = lines._records("nli_sample", TRAIN)
    every = [record["guid"] for record in list(only_records(nli_sample.read("train")))[:250]]
    assert [record["guid"] for record in records] == every[::3]


def test_published_figures_name_a_metric_of_their_task_and_their_source() -> None:
    told = [(name, figure) for name, card in cards().items() for figure in card.published]
    assert {name for name, _ in told} == {"klue_nli_ko", "korquad_ko", "nsmc_ko"}
    for name, figure in told:
        text = (ROOT / "tasks" / name / f"{name}.yaml").read_text(encoding="utf-8")
        assert f"metric: {figure.metric}\n" in text
        assert 0 < figure.value < 1 and "http" in figure.source and figure.split


def test_the_validators_line_is_the_share_of_their_votes_that_is_the_label(real_klue: Path) -> None:
    rows: list[dict[str, Any]] = list(files.rows(klue_nli.files("test", real_klue)[0]))
    votes = [row[f"label{number}"] == row["gold_label"] for row in rows for number in range(2, 6)]
    (line,) = (figure for figure in cards()["klue_nli_ko"].published if figure.name == "validator")
    assert len(votes) == 12_000
    assert sum(votes) / len(votes) == pytest.approx(line.value, abs=0.0005)
