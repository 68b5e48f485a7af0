"""The child process of a job. `python -m kotune.worker.jobs ROOM` calls kotune.ROOM.job.run in the
current folder.

The arguments are JSON on stdin. If the job raises a UserError, the last line of the output is
MARK with the message, and the exit code is that of the error. A finished job prints DONE. Exit code
0 alone does not prove that the job finished, because any library could end the process with it."""

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
    """Run a room's job. Returns 0, or the exit code of a UserError that the job raised. Other
    errors are not caught."""
    arguments = json.load(sys.stdin)
    try:
        guard.begin()
        # A library may request a file that kotune did not download. The hub or a mirror may have
        # this file now, so requests to the hub are limited in the child process too.
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
