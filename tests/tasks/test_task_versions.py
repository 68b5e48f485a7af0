"""What a task asks is pinned beside its version: scores of one version are of the same questions,
choices and right answers.

After a change that is meant, raise the version in the task's YAML and run `python -m
tests.tasks.test_task_versions`."""

import json
import re
import sys
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from kodata.card import Record
from kotune_tasks.card import _Loader, cards
from tests.conftest import ROOT, TASKS, loaded

PINNED = Path(__file__).with_name("task_versions.json")
SAMPLES = ROOT / "kodata" / "samples"
SHOWN = 20  # docs of a task
WRITE = "python -m tests.tasks.test_task_versions"


def told(task: str) -> dict[str, Any]:
    """A task's YAML with what it includes; functions by their names."""
    path = next(TASKS.glob(f"*/{task}.yaml"))
    own = yaml.load(re.sub(r"!function ", "", path.read_text(encoding="utf-8")), _Loader)
    included = told(Path(own.pop("include")).stem) if "include" in own else {}
    return {**included, **own}


def asked(task: str) -> dict[str, Any]:
    """What a task asks of the first docs of data that ships with the project: the sample in the
    place of KLUE-NLI."""
    settings, source = told(task), cards()[task].source.replace("klue_nli", "nli_sample")
    path = SAMPLES / source if (SAMPLES / source).is_dir() else None
    given = {**settings["metadata"], **settings.get("dataset_kwargs", {}), "source": source}
    docs = _function(settings["custom_dataset"])(**given, data_path=path and str(path))["test"]
    return {
        "prompts": [_rendered(settings, doc) for doc in islice(docs, SHOWN)],
        "split": settings["test_split"],
        "decoding": settings.get("generation_kwargs"),
        "metrics": sorted(metric["metric"] for metric in settings["metric_list"]),
    }


def _function(name: str) -> Any:
    """The function that a YAML names as `file.function`, in any folder of tasks."""
    file, function = name.split(".")
    return getattr(loaded(file, next(TASKS.glob(f"*/{file}.py")).parent.name), function)


def _rendered(settings: dict[str, Any], doc: Record) -> list[Any]:
    """Question, choices and right answer."""
    names = ("doc_to_text", "doc_to_choice", "doc_to_target")
    return [_function(settings[name])(doc) for name in names if name in settings]


def now() -> dict[str, dict[str, Any]]:
    """The version of every task and the digest of what it asks."""
    found = {}
    for task, card in cards().items():
        text = json.dumps(asked(task), ensure_ascii=False, sort_keys=True)
        found[task] = {
            "version": card.version,
            "prompts": blake2b(text.encode(), digest_size=8).hexdigest(),
        }
    return found


def problems(pinned: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> list[str]:
    """What is to be done, for each task that is not as it was pinned."""
    told = []
    for task in sorted({*pinned, *found}):
        before, after = pinned.get(task, {}), found.get(task, {})
        if before.get("version") == after.get("version") and before.get("prompts") != after.get(
            "prompts"
        ):
            told.append(
                f"the prompt of {task} changed: raise its version and run `{WRITE}` to write the"
                " file anew"
            )
        elif before != after:
            told.append(f"{task} has another version: run `{WRITE}` to write the file anew")
    return told


def test_no_prompt_changes_without_its_version() -> None:
    pytest.importorskip("datasets")
    assert problems(json.loads(PINNED.read_text(encoding="utf-8")), now()) == []


def test_a_changed_prompt_is_told_until_its_version_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("datasets")
    before = asked("nli_sample_ko")
    monkeypatch.setattr(
        "kodata.klue_nli.LABELS", {"entailment": "참", "neutral": "중립", "contradiction": "모순"}
    )
    assert asked("nli_sample_ko") != before
    pinned = {"a": {"version": 1.0, "prompts": "x"}}
    assert problems(pinned, {"a": {"version": 1.0, "prompts": "y"}})[0].startswith(
        "the prompt of a changed: raise"
    )
    assert problems(pinned, {"a": {"version": 1.1, "prompts": "y"}})[0].startswith(
        "a has another version: run"
    )
    assert problems(pinned, pinned) == []
    assert problems(pinned, {})


if __name__ == "__main__":
    PINNED.write_text(json.dumps(now(), indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{PINNED}\n")
