"""Turns every error that is not a bug into one message and an exit code. Also sets up the handling
of uncaught exceptions and of termination signals."""

import inspect
import os
import signal
import sys
import threading
import traceback
from types import TracebackType

import click

from kodata.errors import Translatable, UserError, did_you_mean, joined
from kotune.display.language import TranslatedCommand, chosen, paragraphs
from kotune.display.phrases.translation import lookup, translate
from kotune.display.terminal import echo


class Commands(TranslatedCommand, click.Group):
    """The group of all commands. It handles the errors of all commands in one place."""

    def invoke(self, ctx: click.Context) -> object:
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
            _print_error(error.args[0] if error.args else "", ctx)
            if error.__cause__ and os.environ.get(TRACEBACK):
                cause = error.__cause__
                _print_traceback(type(cause), cause, cause.__traceback__)
            sys.exit(exit_code(error))
        except click.UsageError as error:
            _print_error(joined("", (error.format_message(), _help_hint(error.ctx))), ctx)
            sys.exit(error.exit_code)
        except OSError as error:  # for example a full disk, or a folder without write permission
            _print_error(os_error(error), ctx)
            sys.exit(KotuneError.exit_code)
        except KeyboardInterrupt as stop:
            code = PREEMPTED if isinstance(stop, Preempted) else INTERRUPTED
            word = Translatable("terminated" if code == PREEMPTED else "interrupted")
            text = joined(": ", (word, *getattr(stop, "__notes__", [])))
            echo(translate(text, chosen(ctx)), err=True)
            sys.exit(code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from kotune.errors import RecipeError

        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise RecipeError(
                Translatable(
                    "unknown command `{name}`{hint}",
                    name=args[0],
                    hint=did_you_mean(args[0], self.commands),
                )
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List each command with the whole first sentence of its help. click would cut it off."""
        with formatter.section("Commands"):
            names, language = self.list_commands(ctx), chosen(ctx)
            formatter.write_dl([(name, _summary(self.commands[name], language)) for name in names])


def _summary(command: click.Command, language: str) -> str:
    """The first sentence of a command's help in a language, on one line."""
    first, *_ = paragraphs(inspect.cleandoc(command.help or ""))
    sentence, _, _ = lookup(first, language).partition(". ")
    return sentence.rstrip(".") + "."


def _print_error(text: str, ctx: click.Context) -> None:
    language = chosen(ctx)
    echo(translate(Translatable("error: {text}", text=text), language), err=True)


def _help_hint(ctx: click.Context | None) -> str:
    """The end of a message about a wrong command line. Empty if the command is not known."""
    return Translatable("; see `{command} --help`", command=ctx.command_path) if ctx else ""


def print_tracebacks_safely() -> None:
    """From now on, print the tracebacks of uncaught exceptions without terminal control characters
    and without passwords in addresses. Their text may come from an untrusted file."""
    sys.excepthook = _print_traceback
    threading.excepthook = lambda args: _print_traceback(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def _print_traceback(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """Print a traceback without terminal control characters, and with passwords masked."""
    from kodata.reading.addresses import masked

    echo(masked("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)


def unwind_when_terminated() -> None:
    """From now on, raise Preempted on SIGTERM and on SIGHUP (a closed terminal). Without this, the
    signals would leave child processes and temporary folders behind."""
    from kotune.errors import Preempted

    # A signal that is already ignored stays ignored. For example, nohup ignores SIGHUP.
    handled = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]

    def stop(*_: object) -> None:
        # Schedulers repeat the signal. A second exception would interrupt the writing of the last
        # checkpoint, so further signals are ignored.
        for number in handled:
            signal.signal(number, signal.SIG_IGN)
        raise Preempted

    for number in handled:
        signal.signal(number, stop)
