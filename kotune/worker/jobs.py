"""The child process of a job. `python -m kotune.worker.jobs ROOM` calls kotune.ROOM.job.run in the
current folder.

The arguments are JSON on stdin. A user's error is printed as a last line that starts with MARK, and
gives the exit code. A finished job prints DONE, because any library could end the process with exit
code 0."""

import json
import sys
from importlib import import_module
from pathlib import Path

from kodata.errors import UserError
from kodata.reading import guard
from kotune.errors import exit_code
from kotune.worker import bounds

MARK, DONE = "kotune-error: ", "kotune-done"


def main(room: str) -> int:
    """Run a room's job and return its exit code."""
    arguments = json.load(sys.stdin)
    try:
        guard.begin()
        # A library may request a file from the hub that kotune did not download. A mirror may offer
        # that file by now.
        guard.install()
        bounds.bound_templates()
        import_module(f"kotune.{room}.job").run(Path.cwd(), **arguments)
    except UserError as error:
        print(MARK + json.dumps(str(error), ensure_ascii=False), flush=True)
        return exit_code(error)
    print(f"\n{DONE}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
