"""A run is a folder with fixed names. A stage counts as done only by its record in run.json, which
is written last.

Every file is written under a temporary name and renamed when whole (kodata.drafts), so that a
killed run leaves no half-written one and no link is followed. The folder is for its owner alone,
and so are its files; a mode that the owner gave it stays."""

import fcntl
import hashlib
import json
import os
import shlex
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kodata import drafts
from kodata.reading.regular import opened, too_large
from kotune.display.phrases import LANGUAGES
from kotune.errors import StageError
from kotune.layout import RECORD
from kotune.runs.guard import MOST
from kotune.runs.reading import json_of
from kotune.shipped import PROGRAM, typed

STAGES = ("prepare", "render", "train", "score", "report")
RUNS = Path("runs")
PIECE = 1 << 20  # bytes that are digested at a time


def command(
    recipe: Path, *words: str, runs_dir: Path = RUNS, passed: Sequence[str] = (), verb: str = "run"
) -> str:
    """How a recipe is run, or a study, ready for a shell; `words`: further options; `passed`: what
    goes to the launcher."""
    place = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
    return shlex.join(
        [PROGRAM, verb, typed(recipe), *words, *place, *(["--", *passed] if passed else [])]
    )


def said(overrides: Iterable[str], limit: int | str | None, lang: str) -> list[str]:
    """What a command line says of these, as words; nothing where it may stay silent."""
    words = [word for override in overrides for word in ("--set", override)]
    words += ["--limit", str(limit)] if limit else []
    return words + (["--lang", lang] if lang != LANGUAGES[0] else [])


@dataclass(frozen=True)
class Run:
    """The run folder at `root`."""

    root: Path

    def path(self, *names: str) -> Path:
        return self.root.joinpath(*names)

    def record(self) -> dict[str, Any]:
        """run.json as a dict; empty where the run has not begun."""
        from kotune.runs.records import Begun, fits  # pydantic, which --help does without

        path = self.path(RECORD)
        record = read_json(path) if path.exists() else {}
        if not fits(record, Begun):
            raise StageError(
                f"{path}: not a record of this version; move the run folder away and run again"
            )
        return dict(record)

    def update(self, **facts: Any) -> None:
        """Add facts to run.json."""
        write_json(self.path(RECORD), {**self.record(), **facts})

    def is_done(self, stage: str, inputs: dict[str, Any], makes: Collection[str] = ()) -> bool:
        """Whether `stage` finished with exactly these inputs, and the files that it made are as it
        left them. `makes`: the files that it answers for; of a record that names others nothing is
        looked at, for those may lie anywhere."""
        found = self.record().get("stages", {}).get(stage, {})
        made = found.get("made") or {}
        return (
            bool(found.get("inputs") == inputs)
            and made.keys() <= set(makes)
            and not any(self.touched(made))
        )

    def touched(self, made: dict[str, str]) -> Iterator[str]:
        """Those of a stage's files that are gone or not as it left them."""
        for name, digest in made.items():
            if not self.path(name).is_file() or sha256(self.path(name)) != digest:
                yield name

    def changed(self, stage: str, inputs: dict[str, Any]) -> list[str]:
        """Names of the inputs that differ from those of a finished `stage`; empty when it never
        finished."""
        before = self.record().get("stages", {}).get(stage, {}).get("inputs", inputs)
        return sorted(
            name for name in inputs.keys() | before.keys() if inputs.get(name) != before.get(name)
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time works in a run folder; the kernel frees the lock when that process
        ends, however it ends."""
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise StageError(
                f"{self.root}: another run works in this folder; wait until it has ended"
            ) from None
        finally:
            os.close(folder)

    @contextmanager
    def stage(self, name: str, inputs: dict[str, Any], makes: Iterable[str] = ()) -> Iterator[None]:
        """Run one stage: its old record goes first, its new one is written when the body has
        passed. `makes`: the files that it answers for, by their digests.

        Records of later stages stay: they hold the digests of what they were made from, so they
        stand or fall by those."""
        stages = self.record().get("stages", {})
        stages.pop(name, None)
        self.update(stages=stages)
        begun = time.monotonic()
        yield
        there = [file for file in makes if self.path(file).exists()]
        seconds, made = (
            round(time.monotonic() - begun, 2),
            {file: sha256(self.path(file)) for file in there},
        )
        stages[name] = {
            "inputs": inputs,
            "made": made,
            "seconds": seconds,
            "finished": int(time.time()),
        }
        self.update(stages={stage: stages[stage] for stage in STAGES if stage in stages})


def write_text(path: Path, text: str) -> None:
    """Write `path` whole or not at all, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drafts.write(path, text.encode())


def publish(path: Path, text: str) -> None:
    """write_text() of what is made to be shown: others may read it where the umask lets them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drafts.write(path, text.encode(), drafts.default_mode())


def write_json(path: Path, value: Any) -> None:
    """Half a character, which a stranger's file may hold, is written as JSON spells it: UTF-8 has
    none."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    write_text(path, text.encode(errors="backslashreplace").decode())


def read_json(path: Path) -> Any:
    """The JSON in a file of a run folder. StageError where somebody damaged it."""
    try:
        return json_of(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise StageError(
            f"{path}: not JSON any more ({told}); move the run folder away and run again"
        ) from None


def read_shaped(path: Path, shape: Any) -> dict[str, Any]:
    """read_json() of a file that a stage made and that has a shape of kotune.runs.records.
    StageError where it has another."""
    from kotune.runs.records import fits

    found = read_json(path)
    if not fits(found, shape):
        raise StageError(
            f"{path}: not as this version writes it; take the file away and run the same command"
            " again, which makes it anew"
        )
    return dict(found)


def sha256(*paths: Path, most: int = MOST) -> str:
    """One digest over the files' contents, in the order given. OSError for a file of over `most`
    bytes."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(_digest(path, most))
    return whole.hexdigest()


def _digest(path: Path, most: int) -> bytes:
    found = hashlib.sha256()
    with opened(path, most) as file:
        while piece := file.read(PIECE):
            found.update(piece)
            if file.tell() > most:  # though it said that it has fewer
                raise too_large(path, most)
    return found.digest()
