"""A run is a folder with fixed file names. A stage is done only if its record is in run.json, which
is written last.

Every file is written under a temporary name and renamed when it is whole (kodata.drafts), so that a
killed run leaves no half-written file and no link is followed. Folder and files are readable by
their owner alone; a mode that the owner set stays."""

import fcntl
import hashlib
import json
import os
import shlex
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kodata import drafts
from kodata.reading.regular import opened, too_large
from kotune.display.phrases import LANGUAGES
from kotune.errors import StageError
from kotune.layout import RECORD
from kotune.runs.guard import MOST
from kotune.runs.reading import json_of
from kotune.shipped import PROGRAM, typed

if TYPE_CHECKING:
    from kotune.runs.records import Begun

STAGES = ("prepare", "render", "train", "score", "report")
RUNS = Path("runs")
PIECE = 1 << 20  # bytes that are hashed at a time
Inputs = Mapping[str, object]  # what a stage's result depends on: any JSON, compared as a whole
T = TypeVar("T")


def command(
    recipe: Path, *words: str, runs_dir: Path = RUNS, passed: Sequence[str] = (), verb: str = "run"
) -> str:
    """The command that runs a recipe or a study, quoted for a shell. `words`: further options;
    `passed`: arguments for the launcher."""
    folder = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
    return shlex.join(
        [PROGRAM, verb, typed(recipe), *words, *folder, *(["--", *passed] if passed else [])]
    )


def as_options(overrides: Iterable[str], limit: int | str | None, lang: str) -> list[str]:
    """These settings as options of a command line, without those that have their default."""
    words = [word for override in overrides for word in ("--set", override)]
    words += ["--limit", str(limit)] if limit else []
    return words + (["--lang", lang] if lang != LANGUAGES[0] else [])


@dataclass(frozen=True)
class Run:
    """The run folder at `root`."""

    root: Path

    def path(self, *names: str) -> Path:
        return self.root.joinpath(*names)

    def record(self) -> "Begun":
        """run.json; without any fact if the run has not begun."""
        from kotune.runs.records import Begun, parsed  # pydantic, which --help does without

        if (record := parsed(self._facts(), Begun)) is None:
            raise StageError(
                f"{self.path(RECORD)}: not a record of this version; move the run folder away and"
                " run again"
            )
        return record

    def _facts(self) -> Any:
        """The value in run.json, with the keys of any version and in their order."""
        return read_json(self.path(RECORD)) if self.path(RECORD).exists() else {}

    def update(self, **facts: object) -> None:
        """Add facts to run.json. StageError if it is not a record of this version."""
        self.record()
        write_json(self.path(RECORD), {**self._facts(), **facts})

    def is_done(self, stage: str, inputs: Inputs, makes: Collection[str] = ()) -> bool:
        """Whether `stage` finished with exactly these inputs and the files that it made are
        unchanged. `makes`: the files that it is responsible for. A record that names other files
        does not count, and none of them is read: they may lie anywhere."""
        finished = self.record().stages.get(stage)
        return (
            finished is not None
            and finished.inputs == inputs
            and finished.files.keys() <= set(makes)
            and not any(self.touched(finished.files))
        )

    def touched(self, made: dict[str, str]) -> Iterator[str]:
        """Those of a stage's files that are missing or were changed since."""
        for name, digest in made.items():
            if not self.path(name).is_file() or sha256(self.path(name)) != digest:
                yield name

    def changed(self, stage: str, inputs: Inputs) -> list[str]:
        """Names of the inputs that differ from those of a finished `stage`; empty if it never
        finished."""
        finished = self.record().stages.get(stage)
        before = finished.inputs if finished else inputs
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
    def stage(self, name: str, inputs: Inputs, makes: Iterable[str] = ()) -> Iterator[None]:
        """Context manager around one stage: removes its old record first, and writes its new one
        when the body has passed. `makes`: the files that it is responsible for, whose digests are
        recorded.

        Records of later stages stay: they hold the digests of what they were made from, and so
        become invalid by themselves."""
        stages = {
            stage: record.as_json()
            for stage, record in self.record().stages.items()
            if stage != name
        }
        self.update(stages=stages)
        begun = time.monotonic()
        yield
        seconds = round(time.monotonic() - begun, 2)
        made = {file: sha256(self.path(file)) for file in makes if self.path(file).exists()}
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
    """write_text() for a file to be shown to others, who may read it if the umask allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drafts.write(path, text.encode(), drafts.default_mode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file. Half of a surrogate pair, which a stranger's file may hold, is written as
    an escape: UTF-8 has no such character."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    write_text(path, text.encode(errors="backslashreplace").decode())


def read_json(path: Path) -> Any:
    """The value in a JSON file of a run folder. StageError if it is damaged."""
    try:
        return json_of(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StageError(
            f"{path}: not JSON any more ({reason}); move the run folder away and run again"
        ) from None


def read_model(path: Path, shape: type[T]) -> T:
    """The model in a JSON file that a stage made. StageError if it has another shape."""
    from kotune.runs.records import parsed

    if (model := parsed(read_json(path), shape)) is None:
        raise StageError(
            f"{path}: not as this version writes it; remove the file and run the same command"
            " again, which makes it anew"
        )
    return model


def sha256(*paths: Path, most: int = MOST) -> str:
    """One digest over the files' contents, in the given order. OSError for a file of over `most`
    bytes."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(_digest(path, most))
    return whole.hexdigest()


def _digest(path: Path, most: int) -> bytes:
    digest = hashlib.sha256()
    with opened(path, most) as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            if file.tell() > most:  # although its size said fewer
                raise too_large(path, most)
    return digest.digest()
