"""Scoring that was killed goes on: what is noted as scored, and still there, is not scored again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kotune import scoring
from kotune.run import read_json

TASKS: dict[str, Path | None] = {"nli_sample_ko": None, "nsmc_ko": None}


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each (task, whether as base) as it is scored, by a model that is not there. The rehearsals are left out."""
    done: list[tuple[str, bool]] = []
    base = SimpleNamespace(on=False)

    class Adapter:
        def __enter__(self) -> None:
            base.on = True

        def __exit__(self, *_: object) -> None:
            base.on = False

    def evaluated(task: Any, model: Any, limit: int | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if limit != scoring.REHEARSED:
            done.append((task.name, base.on))
        return {"acc": {"value": float(base.on), "stderr": None}}, [{"doc_id": 0, "acc": 1}]

    def task(name: str, _: Path | None) -> Any:
        return SimpleNamespace(
            name=name, card=SimpleNamespace(version=1, criterion="reasoning", chance={}, published=())
        )

    model = SimpleNamespace(model=SimpleNamespace(disable_adapter=Adapter))
    monkeypatch.setattr(scoring, "load_model", lambda *_: model)
    monkeypatch.setattr(scoring, "load_task", task)
    monkeypatch.setattr(scoring, "evaluated", evaluated)
    lines = SimpleNamespace(samples={}, rows=0, absent=None)
    monkeypatch.setattr(scoring, "References", lambda _: SimpleNamespace(of=lambda *_: lines))
    monkeypatch.setattr(scoring, "_item", lambda *_: {})
    return done


def test_a_variant_of_a_task_that_was_scored_is_not_scored_again(
    scored: list[tuple[str, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scoring._write
    monkeypatch.setattr(
        scoring,
        "_write",
        lambda root, kind, task, rows: _killed() if len(scored) > 2 else whole(root, kind, task, rows),
    )
    with pytest.raises(KeyboardInterrupt):
        scoring.score(tmp_path, TASKS, {}, None)
    assert not (tmp_path / "scores.json").exists()
    monkeypatch.setattr(scoring, "_write", whole)
    scored.clear()
    scoring.score(tmp_path, TASKS, {}, None)
    assert scored == [("nsmc_ko", True), ("nsmc_ko", False)]
    scores = read_json(tmp_path / "scores.json")
    assert [scores[task][variant]["acc"]["value"] for task in TASKS for variant in ("base", "tuned")] == [1.0, 0.0] * 2


def test_samples_that_were_edited_since_are_scored_again(scored: list[tuple[str, bool]], tmp_path: Path) -> None:
    scoring.score(tmp_path, TASKS, {}, None)
    scored.clear()
    scoring.score(tmp_path, TASKS, {}, None)
    assert scored == []
    (tmp_path / "samples" / "tuned" / "nsmc_ko.jsonl").write_text("{}\n")
    scoring.score(tmp_path, TASKS, {}, None)
    assert scored == [("nsmc_ko", False)]


def _killed() -> str:
    raise KeyboardInterrupt
