"""Makes our tasks available to plain lm_eval in this environment, as in `lm_eval --tasks
klue_nli_ko`. Usage: python -m kotune_tasks.install

lm_eval 0.4.11 searches only its own tasks folder and --include_path. It does not follow links to
folders. So install() writes one stub per task into lm_eval's tasks folder. Each stub includes the
task's YAML file in this folder, so changes of that file take effect without a new installation.

If this folder is moved, run this module again from the new folder. If it is deleted, delete
lm_eval/tasks/kotune too, since lm_eval reads every stub when it starts."""

import importlib.util
import json
import sys
from pathlib import Path

STUBS = "kotune"


def install() -> Path:
    """Writes the stubs, removes the stubs of tasks that no longer exist, and returns the folder of
    the stubs. Raises RuntimeError if lm_eval is not installed, and OSError if its folder cannot be
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
    return sorted(Path(__file__).resolve().parent.glob("*/*.yaml"))


def _write(stub: Path, text: str) -> None:
    if not stub.exists() or stub.read_text(encoding="utf-8") != text:
        # Atomic: a concurrent start of lm_eval reads either the old stub or the new one.
        draft = stub.with_suffix(".part")
        draft.write_text(text, encoding="utf-8")
        draft.replace(stub)


def main() -> int:
    try:
        folder = install()
    except (OSError, RuntimeError) as error:
        print(f"kotune_tasks.install: {error}", file=sys.stderr)
        return 1
    print(f"{', '.join(task.stem for task in _tasks())}: installed for lm_eval in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
