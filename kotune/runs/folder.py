"""A run is a folder with fixed file names (kotune.layout). run.json records each finished stage. It
is written after the stage's files, so a stage without a record is not done.

Every file is written under a temporary name and renamed when it is complete (kodata.drafts). So a
killed run leaves no half-written file, and no link is followed. A new folder and every file that is
written are private to their owner. If the owner changes the mode of the folder, the new mode is
kept."""

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
CHUNK = 1 << 20  # the number of bytes that are read at a time for a digest
Inputs = Mapping[str, object]  # everything that a stage's result depends on, as values for JSON
T = TypeVar("T")


def command(
    recipe: Path, *words: str, runs_dir: Path = RUNS, passed: Sequence[str] = (), verb: str = "run"
) -> str:
    """The command that runs a recipe or a study, or another command about it, quoted for a shell.

    - `recipe`: the file of the recipe or study, or a run folder
    - `words`: further options
    - `runs_dir`: the value of --runs-dir, which is left out if it is the default
    - `passed`: the arguments after `--`
    - `verb`: the name of the command
    """
    folder = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
    return shlex.join(
        [PROGRAM, verb, typed(recipe), *words, *folder, *(["--", *passed] if passed else [])]
    )


def as_options(
    overrides: Iterable[str], limit: int | str | None, lang: str, seeds: int | None = None
) -> list[str]:
    """The options --set, --limit, --seeds and --lang with the given values. Options with their
    default value are omitted."""
    words = [word for override in overrides for word in ("--set", override)]
    words += ["--limit", str(limit)] if limit else []
    words += ["--seeds", str(seeds)] if seeds else []
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
        from kotune.runs.records import Begun, parsed  # imported here to keep `--help` fast

        if (record := parsed(self._facts(), Begun)) is None:
            raise StageError(
                f"{self.path(RECORD)}: not a record of this version; move the run folder away and"
                " run again"
            )
        return record

    def _facts(self) -> Any:
        """The value in run.json; an empty dict if the file is missing. Unlike the result of
        record(), it may be of any type. Its keys are unchanged and in their original order."""
        return read_json(self.path(RECORD)) if self.path(RECORD).exists() else {}

    def update(self, **facts: object) -> None:
        """Set keys of run.json and keep the others. Raises StageError if the file is not a record
        of this version."""
        self.record()
        write_json(self.path(RECORD), {**self._facts(), **facts})

    def is_done(self, stage: str, inputs: Inputs, makes: Collection[str] = ()) -> bool:
        """Whether `stage` finished with exactly these inputs and the files that it wrote are
        unchanged.

        `makes`: the files that the stage may write. If the record names a file that is not in
        `makes`, the stage is not done. Such a file is not read, because an untrusted record could
        name any file of the machine."""
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
        """The sorted names of the inputs that changed since `stage` finished. Empty if the stage
        never finished."""
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
        """Context manager around the work of the stage `name`. First, the stage's old record is
        removed. If the body succeeds, a new record is written.

        `makes`: the files that the stage may write. The digests of those that exist are recorded.

        The records of later stages are kept. They contain the digests of their stages' inputs. So
        if this stage changes a file, is_done() is False for the later stages that read it."""
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
    """Write a UTF-8 file completely or not at all. Missing folders are made. Only the owner may
    read the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drafts.write(path, text.encode())


def publish(path: Path, text: str) -> None:
    """Like write_text(), but other users may read the file if the umask allows this."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drafts.write(path, text.encode(), drafts.default_mode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file. Lone surrogates, which may come from untrusted files, are written as
    escapes, because UTF-8 cannot encode them."""
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
    from kotune.runs.records import parsed  # imported here to keep `--help` fast

    if (model := parsed(read_json(path), shape)) is None:
        raise StageError(
            f"{path}: damaged, or written by another version; remove the file and run the same"
            " command again"
        )
    return model


def sha256(*paths: Path, most: int = MOST) -> str:
    """A digest of some files, in hex: the SHA-256 digest of the files' own SHA-256 digests, in the
    given order. So for a single file it is not the digest that `sha256sum` prints.

    Raises OSError if a file cannot be read or has more than `most` bytes."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(_digest(path, most))
    return whole.hexdigest()


def _digest(path: Path, most: int) -> bytes:
    """The SHA-256 digest of a file's content. Raises OSError as sha256() does."""
    digest = hashlib.sha256()
    with opened(path, most) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if file.tell() > most:  # the file grew while it was read
                raise too_large(path, most)
    return digest.digest()
