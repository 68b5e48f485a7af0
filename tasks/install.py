"""Makes our tasks available to lm_eval in this environment, so that they can be run without kotune:
`lm_eval --tasks klue_nli_ko`. Usage: python -m kotune_tasks.install

lm_eval 0.4.11 searches tasks only in its own tasks folder and in --include_path, and follows no
links to folders. So install() writes a stub for each task into lm_eval's tasks folder. A stub is a
file that includes the task's YAML file in this folder. Changes of the YAML file take effect without
a new installation.

If this folder is moved, run this module again from the new folder. If this folder is deleted,
delete lm_eval/tasks/kotune too: lm_eval reads every stub when it starts."""

import importlib.util
import json
import sys
from pathlib import Path

STUBS = "kotune"  # the folder of the stubs in lm_eval's tasks folder


def install() -> Path:
    """Writes a stub for each task and group, and removes all other stubs. Returns the folder of the
    stubs. Raises RuntimeError if lm_eval is not installed, and OSError if its folder cannot be
    written."""
    spec = importlib.util.find_spec("lm_eval")  # does not import lm_eval, which would take seconds
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f"lm_eval is not installed for {sys.executable}; install it there, then run this again"
        )
    folder = Path(spec.origin).parent / "tasks" / STUBS
    folder.mkdir(exist_ok=True)
    stubs = {
        task.name: f"include: {json.dumps(str(task), ensure_ascii=False)}\n" for task in _tasks()
    }
    for stub in folder.glob("*.yaml"):
        if stub.name not in stubs:
            stub.unlink()
    for name, text in stubs.items():
        _write(folder / name, text)
    return folder


def _tasks() -> list[Path]:
    """The YAML files of our tasks and groups."""
    return sorted(Path(__file__).resolve().parent.glob("*/*.yaml"))


def _write(stub: Path, text: str) -> None:
    """Writes a stub, unless it has this text already."""
    if not stub.exists() or stub.read_text(encoding="utf-8") != text:
        # The draft is renamed, so that lm_eval never reads a stub that is only partly written.
        draft = stub.with_suffix(".part")
        draft.write_text(text, encoding="utf-8")
        draft.replace(stub)


def main() -> int:
    """Install the tasks and print the result. Returns 0 if it succeeds, else 1."""
    try:
        folder = install()
    except (OSError, RuntimeError) as error:
        print(f"kotune_tasks.install: {error}", file=sys.stderr)
        return 1
    print(f"{', '.join(task.stem for task in _tasks())}: installed for lm_eval in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
