"""Makes plain `lm_eval --tasks klue_nli_ko` work in this environment: python -m
kotune_tasks.install

lm_eval 0.4.11 searches only its own tasks folder and --include_path, and follows no linked folders.
So a folder of stubs is written there, one a task, that include the YAML files here: changes here
need no new installation. If this folder is moved or deleted, run it again from the new place or
delete lm_eval/tasks/kotune: lm_eval reads every stub whenever it starts."""

import importlib.util
import json
import sys
from pathlib import Path

STUBS = "kotune"


def install() -> Path:
    """Writes the stubs and removes those without a task; returns their folder. RuntimeError where
    lm_eval is absent."""
    spec = importlib.util.find_spec("lm_eval")  # finds without importing, which would take seconds
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f"lm_eval is not installed for {sys.executable}; install it there, then run this again"
        )
    folder = Path(spec.origin).parent / "tasks" / STUBS
    folder.mkdir(exist_ok=True)
    wanted = {
        task.name: f"include: {json.dumps(str(task), ensure_ascii=False)}\n" for task in _tasks()
    }
    for stub in folder.glob("*.yaml"):
        if stub.name not in wanted:
            stub.unlink()
    for name, text in wanted.items():
        _write(folder / name, text)
    return folder


def _tasks() -> list[Path]:
    return sorted(Path(__file__).resolve().parent.glob("*/*.yaml"))


def _write(stub: Path, text: str) -> None:
    if not stub.exists() or stub.read_text(encoding="utf-8") != text:
        # An lm_eval that starts just now sees the old stub or the new one.
        draft = stub.with_suffix(".part")
        draft.write_text(text, encoding="utf-8")
        draft.replace(stub)


def main() -> int:
    try:
        folder = install()
    except (OSError, RuntimeError) as error:
        print(f"kotune_tasks.install: {error}", file=sys.stderr)
        return 1
    print(f"{', '.join(task.stem for task in _tasks())}: known to lm_eval by {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
