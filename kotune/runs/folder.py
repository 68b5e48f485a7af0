"""A run is a folder with fixed file names. A stage is done only if its record is in run.json, which
is written last.

Every file is written under a temporary name and renamed when it is complete (kodata.drafts). So a
killed run leaves no half-written file, and no link is followed. Only the owner may read the folder
and its files. If the owner changes the mode of a file, the new mode is kept."""

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
CHUNK = 1 << 20  # the number of bytes that are hashed at a time
Inputs = Mapping[str, object]  # everything that a stage's result depends on, as JSON
T = TypeVar("T")


def command(
    recipe: Path, *words: str, runs_dir: Path = RUNS, passed: Sequence[str] = (), verb: str = "run"
) -> str:
    """The command that runs a recipe or a study, quoted for a shell. `words`: further options.
    `passed`: arguments for the launcher."""
    folder = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
    return shlex.join(
        [PROGRAM, verb, typed(recipe), *words, *folder, *(["--", *passed] if passed else [])]
    )


def as_options(overrides: Iterable[str], limit: int | str | None, lang: str) -> list[str]:
    """Settings as command line options. Settings with their default value are omitted."""
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
        """The content of run.json. It has no stages if the run has not begun. Raises StageError if
        the file is damaged or another version of kotune wrote it."""
        from kotune.runs.records import Begun, parsed  # imports pydantic: slow for --help

        if (record := parsed(self._facts(), Begun)) is None:
            raise StageError(
                f"{self.path(RECORD)}: not a record of this version; move the run folder away and"
                " run again"
            )
        return record

    def _facts(self) -> Any:
        """The value in run.json; an empty dict if the file is missing. Unlike record(), it has all
        keys in their original order, also those that this version of kotune does not read."""
        return read_json(self.path(RECORD)) if self.path(RECORD).exists() else {}

    def update(self, **facts: object) -> None:
        """Add facts to run.json. Raises StageError if the file is not a record of this version."""
        self.record()
        write_json(self.path(RECORD), {**self._facts(), **facts})

    def is_done(self, stage: str, inputs: Inputs, makes: Collection[str] = ()) -> bool:
        """Whether `stage` finished with exactly these inputs and its files are unchanged.

        `makes`: the files that the stage may write. If the record names another file, the stage is
        not done. That file is not read, because its path may lead anywhere."""
        finished = self.record().stages.get(stage)
        return (
            finished is not None
            and finished.inputs == inputs
            and finished.files.keys() <= set(makes)
            and not any(self._changed_files(finished.files))
        )

    def _changed_files(self, made: dict[str, str]) -> Iterator[str]:
        """The names of a stage's files that are missing or changed. `made`: the recorded digest of
        each file, by name."""
        for name, digest in made.items():
            if not self.path(name).is_file() or sha256(self.path(name)) != digest:
                yield name

    def changed_inputs(self, stage: str, inputs: Inputs) -> list[str]:
        """The names of inputs that changed since `stage` finished; empty if it never finished."""
        finished = self.record().stages.get(stage)
        before = finished.inputs if finished else inputs
        return sorted(
            name for name in inputs.keys() | before.keys() if inputs.get(name) != before.get(name)
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Context manager: lock the folder for this process. Raises StageError if another process
        holds the lock. The kernel releases the lock when the process ends, even if it is killed."""
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise StageError(
                f"{self.root}: another process is using this run folder; wait until it ends"
            ) from None
        finally:
            os.close(folder)

    @contextmanager
    def stage(self, name: str, inputs: Inputs, makes: Iterable[str] = ()) -> Iterator[None]:
        """Context manager around one stage. It removes the stage's old record first. If the body
        raises nothing, it writes a new record.

        `makes`: the files of the stage. Their digests are recorded.

        Records of later stages are kept. Each record contains digests of its stage's inputs. So if
        the content of a file changes, is_done() is False for the later stages that read it."""
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
    """Write a file completely or not at all. Only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drafts.write(path, text.encode())


def publish(path: Path, text: str) -> None:
    """Like write_text(), but for a file that is shared. Others may read it if the umask allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drafts.write(path, text.encode(), drafts.default_mode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file. Lone surrogates are written as escapes, because UTF-8 cannot encode them.
    Untrusted files may contain them."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    write_text(path, text.encode(errors="backslashreplace").decode())


def read_json(path: Path) -> Any:
    """The value in a JSON file of a run folder. Raises FileNotFoundError if the file is missing,
    and StageError if it is damaged."""
    try:
        return json_of(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StageError(
            f"{path}: damaged JSON ({reason}); move the run folder away and run again"
        ) from None


def read_model(path: Path, shape: type[T]) -> T:
    """The content of a JSON file that a stage wrote, as an instance of `shape`. Raises
    FileNotFoundError if the file is missing, and StageError if its content does not fit `shape`."""
    from kotune.runs.records import parsed

    if (model := parsed(read_json(path), shape)) is None:
        raise StageError(
            f"{path}: damaged, or written by another version; remove the file and run the same"
            " command again"
        )
    return model


def sha256(*paths: Path, most: int = MOST) -> str:
    """The SHA-256 digest, in hex, of the files' digests in the given order. Even for a single file
    it is not the digest of the content. Raises OSError for a file of more than `most` bytes."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(_digest(path, most))
    return whole.hexdigest()


def _digest(path: Path, most: int) -> bytes:
    digest = hashlib.sha256()
    with opened(path, most) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if file.tell() > most:  # the file grew while it was read
                raise too_large(path, most)
    return digest.digest()
