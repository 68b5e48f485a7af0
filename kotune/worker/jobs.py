"""The child process of a job. `python -m kotune.worker.jobs PACKAGE` calls kotune.PACKAGE.job.run
in the current folder, with arguments that are JSON on stdin.

If the job raises a UserError, the last line of the output is MARK and the message as JSON, and the
exit code is that of the error. A job that finishes prints DONE. Exit code 0 alone does not prove
that it finished, because any library could end the process with code 0."""

import json
import sys
from importlib import import_module
from pathlib import Path

from kodata.errors import UserError
from kodata.reading import guard
from kotune.errors import exit_code
from kotune.worker import bounds

MARK, DONE = "kotune-error: ", "kotune-done"


def main(package: str) -> int:
    """Run the job of a package. Returns 0, or the exit code of a UserError that the job raised.
    Other errors are not caught."""
    arguments = json.load(sys.stdin)
    try:
        guard.begin()
        # Requests to the hub are limited in the child process too. A library may request a file
        # that kotune did not download, because the hub or a mirror did not have it then.
        guard.install()
        bounds.bound_templates()
        import_module(f"kotune.{package}.job").run(Path.cwd(), **arguments)
    except UserError as error:
        print(MARK + json.dumps(str(error), ensure_ascii=False), flush=True)
        return exit_code(error)
    print(f"\n{DONE}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
