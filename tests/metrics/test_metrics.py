"""Metrics as functions of sums: equal to the definitions they name, with standard errors that know
of clusters."""

import json
import math
import random
from pathlib import Path

import pytest

from kodata.metrics.metrics import MEAN, METRICS, aggregation
from kodata.metrics.resampling import resample, stderr, value, vectors
from kotune_tasks.card import CRITERIA, cards
from kotune_tasks.stderr import main, table

np = pytest.importorskip("numpy")


def drawn(number: int, seed: int = 1) -> list[tuple[int, int]]:
    rng = random.Random(seed)
    return [(rng.randrange(3), rng.randrange(3)) for _ in range(number)]


@pytest.mark.parametrize(
    "items", [drawn(200), [(0, 0)], [(0, 1), (0, 1)], [(0, 0), (1, 0), (1, 2)]]
)
def test_macro_f1_is_scikit_learns(items: list[tuple[int, int]]) -> None:
    f1_score = pytest.importorskip("sklearn.metrics").f1_score
    golds, predictions = zip(*items, strict=True)
    expected = f1_score(golds, predictions, average="macro", zero_division=0)
    assert aggregation("macro_f1")(items) == pytest.approx(expected)


def test_ece_matches_a_table_worked_by_hand() -> None:
    items = [(0.95, 1), (0.91, 0), (0.55, 1), (1.0, 1)]
    # bin .9-1: 2 right of 3, mean confidence .95333; bin .5-.6: 1 of 1, confidence .55
    expected = (abs(2 - (0.95 + 0.91 + 1.0)) + abs(1 - 0.55)) / 4
    assert aggregation("ece")(items) == pytest.approx(expected)


def test_a_calibrated_model_has_a_small_ece_and_a_boastful_one_a_large() -> None:
    rng = random.Random(2)
    honest = [(p, float(rng.random() < p)) for p in (rng.uniform(0.34, 1) for _ in range(20_000))]
    boastful = [(0.99, right) for _, right in honest]
    assert aggregation("ece")(honest) < 0.02
    assert aggregation("ece")(boastful) == pytest.approx(
        0.99 - sum(r for _, r in honest) / len(honest)
    )


def test_triple_acc_needs_a_whole_premise() -> None:
    right, wrong, part = ("a", 0, 0), ("b", 1, 0), ("c", 0, 0)
    whole = [right, ("a", 1, 1), ("a", 2, 2), wrong, ("b", 0, 0), ("b", 2, 2), part]
    assert aggregation("triple_acc")(whole) == 0.5
    assert math.isnan(aggregation("triple_acc")([part]))


def test_the_standard_error_of_a_mean_is_the_textbooks_when_items_are_independent() -> None:
    rng = random.Random(3)
    items = [float(rng.random() < 0.7) for _ in range(2_000)]
    textbook = float(np.std(items, ddof=1)) / math.sqrt(len(items))
    assert stderr(MEAN, items, range(len(items))) == pytest.approx(textbook, rel=0.1)


def test_items_that_move_together_count_once() -> None:
    rng = random.Random(4)
    premises = [float(rng.random() < 0.7) for _ in range(500)]
    items = [hit for hit in premises for _ in range(3)]
    clusters = [number // 3 for number in range(len(items))]
    alone = stderr(MEAN, premises, range(500))
    assert stderr(MEAN, items, clusters) == pytest.approx(alone)
    # What lm_eval would print: 1 / sqrt(3) of it.
    assert stderr(MEAN, items, range(len(items))) < 0.65 * alone


def test_a_bootstrap_agrees_with_another_sample_of_the_world() -> None:
    """The standard error of macro-F1 from one sample against the spread over 400 samples."""
    values = [aggregation("macro_f1")(drawn(300, seed)) for seed in range(400)]
    items = drawn(300, 1_000)
    assert stderr(METRICS["macro_f1"], items, range(300)) == pytest.approx(
        float(np.std(values)), rel=0.2
    )


def test_the_same_data_has_the_same_standard_error_and_one_cluster_has_none() -> None:
    items = drawn(60)
    assert stderr(METRICS["macro_f1"], items, range(60)) == stderr(
        METRICS["macro_f1"], items, range(60)
    )
    assert math.isnan(stderr(MEAN, [1.0, 0.0], ["a", "a"]))


def test_a_resample_is_as_large_as_the_table_and_large_tables_fit_in_memory() -> None:
    sums = resample(np.ones((50_000, 1)), 100)
    assert sums.shape == (100, 1)
    assert (sums == 50_000).all()


def test_clusters_are_rows_in_the_order_of_their_first_item() -> None:
    assert vectors(MEAN, [1, 2, 3], ["b", "a", "b"]).tolist() == [[4, 2], [2, 1]]
    assert value(MEAN, [1, 2, 3], ["b", "a", "b"]) == 2


def test_every_task_has_a_card() -> None:
    for name, card in cards().items():
        assert card.criterion in CRITERIA, name
        assert card.quick > 0
        assert all(0 <= chance <= 1 for chance in card.chance.values())


def test_standard_errors_of_a_plain_lm_eval_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "samples_klue_nli_ko_2026-01-01T00-00-00.jsonl"
    samples = [
        {
            "doc": {"premise": str(n // 3)},
            "metrics": ["acc", "macro_f1"],
            "acc": float(n % 2),
            "macro_f1": [n % 3, 0],
        }
        for n in range(30)
    ]
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples), encoding="utf-8")
    found = table(path)
    assert found["acc"][0] == 0.5
    assert found["acc"][1] == pytest.approx(
        stderr(MEAN, [float(n % 2) for n in range(30)], [n // 3 for n in range(30)])
    )
    assert main([str(path)]) == 0
    assert "acc 0.5000 ±" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("samples_klue_nli_ko_x.jsonl", '{"doc": {}}\n', "line 1: not a sample"),
        ("samples_klue_nli_ko_x.jsonl", "", "no samples in it"),
        ("samples_klue_nli_ko_x.jsonl", "[1", "line 1: not a sample"),
        ("results.jsonl", "{}", "samples_<task>_<date>.jsonl"),
    ],
)
def test_what_is_no_samples_file_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert main([str(tmp_path / name)]) == 1
    assert told in capsys.readouterr().err
    assert main([str(tmp_path / "absent.jsonl")]) == 1
