"""Limits the time and memory that an untrusted chat template or tokenizer may use in a child
process.

A template is a program, and a tokenizer's rules may double a text any number of times. Both can
pass a check with one text and still use too much time or memory with another text. So every call
is limited.

The limits apply only during a call. At other times, a process with a model or a GPU may use any
amount of memory. The kernel enforces the limits. The memory limit (RLIMIT_DATA) counts private
writable memory, but not the addresses that a GPU reserves. If Python code exceeds a limit, an
exception is raised. If the native code of a library exceeds a limit, a signal ends the process
(SIGPROF, SIGALRM, SIGABRT)."""

import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import wraps
from types import FrameType
from typing import Any

from kodata.errors import brief, on_one_line
from kotune.errors import RecipeError, StageError

SECONDS = 5.0  # CPU time in Python for one chat; honest templates need a few milliseconds
# Wall-clock seconds; the wall-clock limit of a tokenizer is never lower. It ends a process whose
# tokenizer waits for input without using CPU time.
CLOCK = 900.0
SLOWEST = 5  # wall-clock limit / CPU time limit, for a busy machine
KILLED = 120.0  # seconds of CPU time in any code, plus TOKEN for each character
TOKEN = 20e-6  # seconds per character; an honest tokenizer needs a twentieth of this
RENDERED = 256 << 20  # bytes for one chat, in addition to the memory that the process already uses
# Bytes for a batch of texts or to load a tokenizer, plus LETTER for each character.
TOKENIZED = 4 << 30
LETTER = 2_000
LONGEST = 100_000  # characters of a rendered chat, plus TIMES the length of its messages
TIMES = 8
REPEAT = 0.1  # seconds until a timer fires again, in case its first error was caught
# Seconds that an outer timer gets if it expired during the call. 0 seconds would disable the timer.
SOON = 1e-3
STATM = "/proc/self/statm"  # its sixth number is the number of pages of data and stack
PAGE = resource.getpagesize()
ENDED = {  # maps the exit code of a process with limits to the reason, for a message
    -signal.SIGPROF: f"over {KILLED:g} s of CPU time over some rows",
    -signal.SIGALRM: f"over {CLOCK:g} s, because it waits for something",
    -signal.SIGABRT: f"perhaps over {TOKENIZED >> 30} GiB over some rows",
}


class OverrunError(StageError):
    """A template exceeded its limits."""


@contextmanager
def bounded(memory: int, killed: float, seconds: float = 0, clock: float = 0) -> Iterator[None]:
    """Context manager that limits memory and time.

    The body may allocate `memory` bytes more than the process already has; beyond that, MemoryError
    is raised or the process ends. Raises OverrunError after `seconds` of CPU time in Python (0: no
    limit). The process ends after `killed` seconds of CPU time, or after `clock` wall-clock seconds
    (0: no limit). Time is limited only in the main thread. In nested use, the outer limits stay in
    force."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    has_timers = threading.current_thread() is threading.main_thread()
    try:
        _limit_data(memory, before)
        with _timed(killed, seconds, clock) if has_timers else nullcontext():
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def _timed(killed: float, seconds: float, clock: float) -> Iterator[None]:
    """Run the timers of bounded(). If an outer timer has less time left, it is used instead of the
    new one. The outer timers continue afterwards."""
    signal.signal(signal.SIGVTALRM, _overrun)
    timers = {
        signal.ITIMER_VIRTUAL: (seconds, seconds and REPEAT),
        signal.ITIMER_PROF: (killed, 0.0),
        signal.ITIMER_REAL: (clock, 0.0),
    }
    outer = {
        timer: signal.setitimer(timer, *_sooner(timers[timer], signal.getitimer(timer)))
        for timer in timers
    }
    begun = _used()
    try:
        yield
    finally:
        used = _used()
        for timer, (left, repeat) in outer.items():
            signal.setitimer(timer, left and max(left - used[timer] + begun[timer], SOON), repeat)


def _used() -> dict[int, float]:
    """The seconds that this process has used so far, by the clock of each timer."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        signal.ITIMER_VIRTUAL: usage.ru_utime,
        signal.ITIMER_PROF: usage.ru_utime + usage.ru_stime,
        signal.ITIMER_REAL: time.monotonic(),
    }


def _sooner(new: tuple[float, float], outer: tuple[float, float]) -> tuple[float, float]:
    """The timer that expires first. A timer is (seconds, repeat). With 0 seconds it never
    expires."""
    return outer if outer[0] and (outer[0] < new[0] or not new[0]) else new


def _limit_data(more: int, before: tuple[int, int]) -> None:
    """Allow `more` bytes in addition to those in use, but never more than the limits in `before`.
    Does nothing on systems other than Linux, because only Linux has this limit."""
    with (
        suppress(FileNotFoundError),
        open(STATM, "rb", buffering=0) as file,  # noqa: PTH123
    ):
        most = int(file.read().split()[5]) * PAGE + more
        limits = [limit for limit in before if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([most, *limits]), before[1]))


def _overrun(_number: int, _frame: FrameType | None) -> None:
    raise OverrunError(f"it takes over {SECONDS:g} s to render one chat")


def bound_templates() -> None:
    """Limit every chat template that this process compiles or renders from now on, in any library.
    Compiling is limited too, because it evaluates constant expressions of any size."""
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Bounded(Template):
        def render(self, *args: Any, **kwargs: Any) -> str:
            return _render(super().render, args, kwargs)

        def generate(self, *args: Any, **kwargs: Any) -> Iterator[str]:
            plain = super().generate
            yield _render(lambda *args, **kwargs: "".join(plain(*args, **kwargs)), args, kwargs)

    def from_string(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _rendering():
            return super(ImmutableSandboxedEnvironment, self).from_string(*args, **kwargs)

    ImmutableSandboxedEnvironment.template_class = Bounded
    ImmutableSandboxedEnvironment.from_string = from_string  # type: ignore[method-assign]


def _render(render: Any, args: Any, kwargs: dict[str, Any]) -> str:
    with _rendering():
        text: str = render(*args, **kwargs)
    if len(text) > LONGEST and len(text) > (
        most := LONGEST + TIMES * len(str(kwargs.get("messages")))
    ):
        raise OverrunError(f"it renders one chat to over {most:,} characters")
    return text


@contextmanager
def _rendering() -> Iterator[None]:
    """Context manager with the limits for a template. A MemoryError becomes an OverrunError."""
    try:
        with bounded(RENDERED, KILLED, SECONDS):
            yield
    except MemoryError:
        raise OverrunError(f"it needs over {RENDERED >> 20} MiB to render one chat") from None


@contextmanager
def tokenizing(characters: int = 0) -> Iterator[None]:
    """Context manager that limits the loading of a tokenizer, or its work on a text of
    `characters` characters. Beyond the limits, MemoryError is raised or the process ends."""
    killed = KILLED + TOKEN * characters
    with bounded(TOKENIZED + LETTER * characters, killed, clock=max(CLOCK, SLOWEST * killed)):
        yield


@contextmanager
def _working(tokenizer: Any, characters: int) -> Iterator[None]:
    """Like tokenizing(), but turns any error into a RecipeError, because the tokenizer caused
    it."""
    try:
        with tokenizing(characters):
            yield
    except Exception as error:
        reason = on_one_line(f"{type(error).__name__}: {brief(error)}")
        raise RecipeError(
            f"model {tokenizer.name_or_path}: its tokenizer cannot process a text ({reason});"
            " choose another model"
        ) from error


def bound_tokenizer(tokenizer: Any) -> Any:
    """Limit all encoding and decoding of a tokenizer from now on, for every caller. Returns the
    same tokenizer. Afterwards, encoding and decoding raise RecipeError for every error, or end the
    process if native code exceeds a limit."""
    plain_encode = tokenizer._encode_plus

    @wraps(plain_encode)
    def encode(text: Any, *args: Any, **kwargs: Any) -> Any:
        texts = text if isinstance(text, (list, tuple)) else [text]
        with _working(tokenizer, sum(map(len, texts))):
            return plain_encode(text, *args, **kwargs)

    plain_decode = tokenizer._decode

    @wraps(plain_decode)
    def decode(*args: Any, **kwargs: Any) -> Any:
        ids = kwargs.get("token_ids", args[0] if args else ())
        with _working(tokenizer, len(ids) if hasattr(ids, "__len__") else 1):
            return plain_decode(*args, **kwargs)

    tokenizer._encode_plus, tokenizer._decode = encode, decode
    return tokenizer
