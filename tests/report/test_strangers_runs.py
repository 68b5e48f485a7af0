"""Odd values all over a stranger's run folder, whose digests are right: a report and a comparison
end with a result or with one message. KOTUNE_FUZZ=1000 tries so many values instead of some."""

import json
import math
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kotune.cli import cli
from kotune.errors import KotuneError
from kotune.runs import finished as reading
from kotune.runs.folder import sha256
from tests.finished import Made, finished

TRIED = int(os.environ.get("KOTUNE_FUZZ", "40"))
ODD: tuple[Any, ...] = (
    5,
    -1,
    0,
    True,
    None,
    [],
    {},
    "x",
    "",
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    5e-324,
    10**400,
    2**53 + 1,
    ["x"],
    [[1]],
    [{}],
    {"a": 1},
    {"kind": "halved"},
    "가" * 100_000,
    ' id="',
    "{kind.__class__}",
    "\ud800",
    "</svg><script>",
    "../../x",
)
TASK = "nli_sample_ko"
FILES = (
    "run.json",
    "scores.json",
    "data/manifest.json",
    "parity.json",
    "axolotl.yml",
    "recipe.yml",
    "metrics.jsonl",
)
SAMPLES = tuple(f"samples/{kind}/{TASK}.jsonl" for kind in ("items", "base", "tuned", "majority"))
COMMANDS = (
    ["report"],
    ["compare"],
    ["compare", "--json", "--price", "900"],
    ["compare", "other", "--html", "page.html"],
)
KNOWN: tuple[tuple[str, tuple[Any, ...], Any], ...] = (  # found by a reviewer of this code
    ("run.json", ("stages",), 5),
    ("run.json", ("generation_unused",), [1]),
    ("run.json", ("warnings",), ["x"]),
    ("run.json", ("stages", "train", "seconds"), math.inf),
    ("run.json", ("trainable_parameters",), 10**4000),
    ("run.json", ("seed",), 10**4000),
    ("metrics.jsonl", (1, "step"), 10**400),
    ("metrics.jsonl", (1, "epoch"), "x"),
    ("metrics.jsonl", (1, "epoch"), 1e999),
    ("metrics.jsonl", (1, "tokens"), 1e308),
    ("metrics.jsonl", (9, "eval_loss"), "x"),
    ("metrics.jsonl", (1, "tokens_per_second"), 5e-324),
    ("data/manifest.json", ("leaks",), {}),
    ("data/manifest.json", ("leaks", "between_tests"), [{"a": 1}]),
    ("data/manifest.json", ("entries", 0, "labels"), {}),
    ("parity.json", ("content",), {}),
    ("parity.json", ("tasks", TASK, "items"), "x"),
    ("scores.json", (TASK, "references"), 5),
    ("scores.json", (TASK, "published"), [5]),
    ("scores.json", (TASK, "base_from"), 5),
    ("samples/items/nli_sample_ko.jsonl", (0, "choices"), ["x" * 400]),
    ("samples/tuned/nli_sample_ko.jsonl", (0, "metrics", "macro_f1"), [10**30, {}]),
    ("samples/tuned/nli_sample_ko.jsonl", (0, "prediction"), []),
)
MORE = {
    "warnings": [{"kind": "flat_loss", "step": 3, "n": 4}],
    "generation_unused": {"top_k": 3},
    "halvings": None,
}
MADE = Made(record=MORE, lines=("majority",), whole=True, kinds=True, sure=True, premises=4)


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value may stand: every key, and two of a list's items."""
    keys = (
        value
        if isinstance(value, dict)
        else range(min(len(value), 2))
        if isinstance(value, list)
        else ()
    )
    for key in keys:
        yield (*before, key)
        yield from places(value[key], (*before, key))


def put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = new


def read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n") if line]
    return (
        {"model": "x", "adapter": "lora", "tasks": [TASK]}
        if path.name == "recipe.yml"
        else json.loads(text)
    )


def write(path: Path, value: Any) -> None:
    """JSON is YAML."""
    values = value if path.suffix == ".jsonl" else [value]
    path.write_text("".join(json.dumps(one) + "\n" for one in values), encoding="utf-8")


def spoilt(folder: Path, name: str, place: tuple[Any, ...], new: Any) -> None:
    """Put a value into a file of a run, and every digest that tells of it after it."""
    whole = {file: read(folder / file) for file in (*FILES, *SAMPLES)}
    put(whole[name], place, deepcopy(new))
    for file in SAMPLES:
        write(folder / file, whole[file])
        with suppress(TypeError, KeyError):
            if name != "scores.json" or "sha256" not in place:
                whole["scores.json"][TASK]["sha256"][file.split("/")[1]] = sha256(folder / file)
    for file in FILES[1:]:
        write(folder / file, whole[file])
    with suppress(TypeError, KeyError):
        whole["run.json"]["stages"]["score"]["made"] = {
            file: sha256(folder / file) for file in FILES[1:]
        }
    write(folder / "run.json", whole["run.json"])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a run and another one, and no memory of samples between two values."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KOTUNE_TRACEBACK", raising=False)
    finished(tmp_path / "other", Made(model="quickstart-deepseek", premises=4))
    yield tmp_path
    reading._lines.cache_clear()


def check(words: list[str], what: str) -> bool:
    """Run a command on the run in `a`; whether there was a result."""
    done = CliRunner().invoke(cli, [words[0], "a", *words[1:]])
    assert done.exception is None or isinstance(done.exception, SystemExit), (
        what,
        repr(done.exception),
    )
    assert done.exit_code == 0 or done.stderr.count("error: ") == 1, (what, done.stderr)
    if "--json" in words and done.exit_code == 0:
        json.loads(done.stdout, parse_constant=pytest.fail)
    return done.exit_code == 0


@pytest.mark.parametrize(("name", "place", "new"), KNOWN, ids=lambda value: str(value)[:40])
def test_what_a_reviewer_found_is_one_message_or_harmless(
    shop: Path, name: str, place: tuple[Any, ...], new: Any
) -> None:
    finished(shop / "a", MADE)
    spoilt(shop / "a", name, place, new)
    for words in (["report"], ["compare", "--json"]):
        check(words, f"{name} {place}")


def test_a_name_may_look_like_an_id_of_a_plot(shop: Path) -> None:
    """Which stands in the legends of several runs."""
    finished(shop / "a", MADE)
    spoilt(shop / "a", "recipe.yml", ("model",), 'x id="y')
    assert check(COMMANDS[-1], "name") and "x id=" in (shop / "page.html").read_text()


def test_samples_lie_in_the_run_folder(shop: Path) -> None:
    """Whatever a line of scores.json is called."""
    finished(shop / "a", MADE)
    (shop / f"{TASK}.jsonl").write_text((shop / "a" / SAMPLES[-1]).read_text())
    told = read(shop / "a" / "scores.json")
    told[TASK]["references"]["lines"]["../.."] = told[TASK]["references"]["lines"].pop("majority")
    told[TASK]["sha256"]["../.."] = sha256(shop / f"{TASK}.jsonl")
    write(shop / "a" / "scores.json", told)
    assert not check(["report"], "a line that lies elsewhere")


def test_odd_values_end_in_a_result_or_one_message(shop: Path) -> None:
    finished(shop / "a", MADE)
    rng, results = random.Random(18), 0
    everywhere = [
        (name, place) for name in (*FILES, *SAMPLES) for place in places(read(shop / "a" / name))
    ]
    for number in range(TRIED):
        name, place = rng.choice(everywhere)
        new, words = rng.choice(ODD), COMMANDS[number % len(COMMANDS)]
        finished(shop / "a", MADE)
        spoilt(shop / "a", name, place, new)
        results += check(words, f"{name} {place} = {str(new)[:40]!r}, {words}")
    assert TRIED / 10 < results < TRIED  # some values reach a report, and not all are let pass


def test_an_honest_run_is_told_without_doubt(shop: Path) -> None:
    finished(shop / "a", MADE)
    spoilt(shop / "a", "run.json", ("limit",), None)
    assert all(check(words, "honest") for words in COMMANDS)


def test_a_fault_of_our_own_can_be_seen(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(shop / "a")
    nothing: dict[str, Any] = {}
    monkeypatch.setattr("kotune.report.writing.Report", lambda *_: nothing["ours"])
    with pytest.raises(
        KotuneError, match=r"a: not as this version of kotune writes it \(KeyError: 'ours'\)"
    ) as told:
        from kotune.display.phrases import Phrases
        from kotune.report.writing import write as report

        report(Path("a"), Phrases("en"))
    assert isinstance(told.value.__cause__, KeyError)
    assert "Traceback" not in CliRunner().invoke(cli, ["report", "a"]).stderr
    monkeypatch.setenv("KOTUNE_TRACEBACK", "1")
    assert "KeyError: 'ours'" in CliRunner().invoke(cli, ["report", "a"]).stderr
