"""Kill a run at random times and at every file boundary of a checkpoint, go on each time, and tell
what survived.

`python -m tests.chaos [--seed N] [--training N] [--preparing N] [--scoring N] [--boundaries N]`.
One run is killed again and again: each start has to go on from what the kill before it left, and
the last one has to end with the adapter and the scores of the run that nobody killed, bit for bit.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kotune.errors import StageError
from kotune.train import training
from kotune.train.checkpoints import keep_matching
from tests.chaos import faulty
from tests.chaos.victim import ADAPTER, SAVED, Victim, seconds

PREPARED = ("data/train.jsonl", "data/validation.jsonl", "data/manifest.json")
MODES = ("before", "torn")


class Outcome(NamedTuple):
    """What one kill came to."""

    kind: str
    at: str
    survived: bool
    told: str


def training_kills(whole: Victim, place: Path, draw: random.Random, n: int) -> Iterator[Outcome]:
    """kill -9 of the command at any time of its training stage."""
    fresh = whole.copied(place / "fresh")
    fresh.forget("train", "score", "report")
    victim, most = fresh.copied(place / "training-0"), seconds(whole, "train")
    for number in range(1, n + 1):
        after, before = draw.uniform(0, most), victim.step()
        if not victim.kill(after, "--until", "train") or victim.is_done("train"):
            same = victim.digest(ADAPTER) == whole.digest(ADAPTER)
            yield Outcome(
                "training",
                f"{after:.1f} s",
                same,
                "it had ended; bit-equal" if same else "ANOTHER ADAPTER",
            )
            victim = fresh.copied(place / f"training-{number}")
            continue
        left = victim.left()
        lost = victim.reached() - victim.step()
        fine = (
            lost <= SAVED
            and victim.step() >= before
            and not left
            and _none_other(ADAPTER, victim, whole)
        )
        yield Outcome(
            "training",
            f"{after:.1f} s",
            fine,
            f"step {victim.step()} kept, {lost} lost, {len(left)} orphans",
        )
    victim.finish("--until", "train")
    same = victim.digest(ADAPTER) == whole.digest(ADAPTER) and victim.losses() == whole.losses()
    yield Outcome(
        "training", "the end", same, "adapter and losses bit-equal" if same else "ANOTHER ADAPTER"
    )


def preparing_kills(whole: Victim, place: Path, draw: random.Random, n: int) -> Iterator[Outcome]:
    """kill -9 while data are converted, start-up included; the data are the same afterwards."""
    for number in range(n):
        victim, after = (
            Victim(place / f"preparing-{number}"),
            draw.uniform(0, seconds(whole, "prepare") + 1),
        )
        victim.kill(after, "--until", "prepare")
        victim.finish("--until", "prepare")
        same = victim.digest(*PREPARED) == whole.digest(*PREPARED)
        yield Outcome(
            "preparing", f"{after:.1f} s", same, "data bit-equal" if same else "OTHER DATA"
        )


def scoring_kills(whole: Victim, place: Path, draw: random.Random, n: int) -> Iterator[Outcome]:
    """kill -9 while base and tuned are scored; what is noted as scored stays."""
    victim = whole.copied(place / "scoring")
    victim.forget("score", "report")
    for _ in range(n):
        after, before = draw.uniform(0, seconds(whole, "score")), victim.notes()
        if not victim.kill(after, "--until", "score"):
            same = victim.digest("scores.json") == whole.digest("scores.json")
            yield Outcome(
                "scoring",
                f"{after:.1f} s",
                same,
                "it had ended; scores equal" if same else "OTHER SCORES",
            )
            victim.forget("score")
            continue
        fine = victim.notes() >= before and _none_other("scores.json", victim, whole)
        yield Outcome("scoring", f"{after:.1f} s", fine, f"{victim.notes()} of 2 results kept")
    victim.finish("--until", "score")
    same = victim.digest("scores.json") == whole.digest("scores.json")
    yield Outcome("scoring", "the end", same, "scores.json equal" if same else "OTHER SCORES")


def boundary_kills(whole: Victim, place: Path, n: int) -> Iterator[Outcome]:
    """Ends before, and in the middle of, everything that a start does to a file up to its first
    whole checkpoint."""
    victim, inputs, log = whole.copied(place / "boundaries"), {"chaos": 1}, place / "boundaries.log"
    victim.forget("train", "score", "report")
    root = victim.root
    keep_matching(root / "checkpoints", inputs)
    _started(root, inputs, 0, "before", log)
    events = log.read_text(encoding="utf-8").splitlines()
    last = next(at for at, line in enumerate(events, 1) if "trainer_state.json" in line)
    shutil.rmtree(root / "model")
    for at, line in enumerate(events[:last][:n], 1):
        _, kind, name, tornable = line.split("\t")
        for mode in MODES[: 1 + int(tornable)]:
            ended = _started(root, {"chaos": 2}, at, mode, log)
            step = victim.step()
            fine = step % SAVED == 0 and _none_other(ADAPTER, victim, whole)
            told = "it ended, for the file was never half written" if ended else f"step {step} kept"
            yield Outcome("boundary", f"{mode} {kind} {name}", fine, told)
            if ended:
                shutil.rmtree(root / "model")
                shutil.rmtree(root / "checkpoints")
    _started(root, {"chaos": 2}, 0, "before", log)
    same = victim.digest(ADAPTER) == whole.digest(ADAPTER)
    yield Outcome("boundary", "the end", same, "adapter bit-equal" if same else "ANOTHER ADAPTER")


def _none_other(name: str, victim: Victim, whole: Victim) -> bool:
    """A result is not there yet, or is what it has to be: a kill may come when only its record is
    missing."""
    return not (victim.root / name).exists() or victim.digest(name) == whole.digest(name)


def _started(root: Path, inputs: dict[str, int], at: int, mode: str, log: Path) -> bool:
    """One start of training that ends at file boundary `at`, or with 0 at its own end, which it has
    to reach; whether it did."""
    training.COMMAND = faulty.command("boundary", at, mode, log)
    try:
        list(training.train(root, inputs))
    except StageError:
        if not at:
            raise
        return False
    return True


def table(outcomes: list[Outcome]) -> str:
    """Markdown: kills, survived and lost of each kind."""
    kinds = dict.fromkeys(outcome.kind for outcome in outcomes)
    lines = ["| killed in | kills | survived | lost | in the end |", "|---|---|---|---|---|"]
    for kind in kinds:
        ours = [outcome for outcome in outcomes if outcome.kind == kind]
        kills, ends = (
            [o for o in ours if o.at != "the end"],
            [o.told for o in ours if o.at == "the end"],
        )
        good = sum(o.survived for o in kills)
        lines.append(
            f"| {kind} | {len(kills)} | {good} | {len(kills) - good} |"
            f" {'; '.join(ends) or 'see each'} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print every kill as it happens, then the table, also of what was done when it is interrupted;
    1 where a kill lost anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    for name, count in (
        ("seed", 0),
        ("training", 20),
        ("preparing", 5),
        ("scoring", 5),
        ("boundaries", 1000),
    ):
        parser.add_argument(f"--{name}", type=int, default=count)
    asked = parser.parse_args()
    print(f"seed {asked.seed}; kills: {vars(asked)}", flush=True)
    outcomes: list[Outcome] = []
    try:
        with tempfile.TemporaryDirectory(prefix="kotune-chaos-") as folder:
            for outcome in _kills(asked, Path(folder)):
                outcomes.append(outcome)
                print(
                    "survived" if outcome.survived else "LOST",
                    *outcome[:2],
                    outcome.told,
                    sep="  ",
                    flush=True,
                )
    except KeyboardInterrupt:
        print("interrupted")
    print(f"\nseed {asked.seed}\n\n{table(outcomes)}")
    return 0 if all(outcome.survived for outcome in outcomes) else 1


def _kills(asked: argparse.Namespace, place: Path) -> Iterator[Outcome]:
    whole, draw = Victim(place / "whole"), random.Random(asked.seed)
    whole.finish()
    yield from preparing_kills(whole, place, draw, asked.preparing)
    if asked.training:
        yield from training_kills(whole, place, draw, asked.training)
    if asked.scoring:
        yield from scoring_kills(whole, place, draw, asked.scoring)
    if asked.boundaries:
        yield from boundary_kills(whole, place, asked.boundaries)


if __name__ == "__main__":
    sys.exit(main())
