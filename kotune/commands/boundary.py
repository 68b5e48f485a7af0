"""Where errors end: a user's mistake is one message and an exit code, never a traceback."""

import os
import signal
import sys
import threading
import traceback
from types import TracebackType

import click

from kotune.display.terminal import echo


class Commands(click.Group):
    """The group of all commands, and the one boundary for every error."""

    def invoke(self, ctx: click.Context) -> object:
        from kodata.errors import UserError
        from kotune.errors import (
            INTERRUPTED,
            PREEMPTED,
            TRACEBACK,
            KotuneError,
            Preempted,
            exit_code,
            os_error,
        )

        try:
            return super().invoke(ctx)
        except UserError as error:
            echo(f"error: {error}", err=True)
            if error.__cause__ and os.environ.get(TRACEBACK):
                _tell(type(error.__cause__), error.__cause__, error.__cause__.__traceback__)
            sys.exit(exit_code(error))
        except click.UsageError as error:
            echo(f"error: {error.format_message()}{_help(error.ctx)}", err=True)
            sys.exit(error.exit_code)
        except OSError as error:  # a full disk, a folder that cannot be written
            echo(f"error: {os_error(error)}", err=True)
            sys.exit(KotuneError.exit_code)
        except KeyboardInterrupt as stop:
            code = PREEMPTED if isinstance(stop, Preempted) else INTERRUPTED
            word = "terminated" if code == PREEMPTED else "interrupted"
            echo(": ".join([word, *getattr(stop, "__notes__", [])]), err=True)
            sys.exit(code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from kodata.errors import did_you_mean
        from kotune.errors import RecipeError

        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise RecipeError(f"unknown command `{args[0]}`{did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


def _help(ctx: click.Context | None) -> str:
    return f"; `{ctx.command_path} --help` tells more" if ctx else ""


def say_faults_safely() -> None:
    """A traceback is our own fault, and holds what a stranger wrote: it reaches no terminal with
    what acts on one, nor with a password of an address."""
    sys.excepthook = _tell
    threading.excepthook = lambda fault: _tell(fault.exc_type, fault.exc_value, fault.exc_traceback)


def _tell(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    from kodata.reading.addresses import masked

    echo(masked("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)


def unwind_when_terminated() -> None:
    """SIGTERM, or a terminal that goes away, leaves no process of ours and no temporary folder
    behind."""
    from kotune.errors import Preempted

    # Nohup.
    heeded = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]

    def stop(*_: object) -> None:
        # Schedulers say it more than once; the last checkpoint is not to be cut short by that.
        for number in heeded:
            signal.signal(number, signal.SIG_IGN)
        raise Preempted

    for number in heeded:
        signal.signal(number, stop)
