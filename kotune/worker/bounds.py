"""Limits the time and memory that an untrusted chat template or tokenizer may use in a child
process.

A template is a program, and a tokenizer's rules may double a text any number of times. Both can
pass a check with one text, and still use too much time or memory with another text. So every call
is limited.

The limits apply only during a call. At other times, a process with a model or a GPU may use any
amount of memory. The kernel enforces the limits. The memory limit (RLIMIT_DATA) counts private
writable memory, but not the addresses that a GPU reserves. If Python code exceeds a limit, an
exception is raised. If the native code of a library exceeds a limit, a signal ends the process:
SIGPROF for CPU time, SIGALRM for wall-clock time, SIGABRT for memory."""

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

# Limits for one chat and its template.
PYTHON_SECONDS = 5.0  # CPU time in Python code; ordinary templates need a few milliseconds
RENDER_BYTES = 256 << 20  # memory, in addition to what the process already uses
# A rendered chat may have LONGEST characters, and TIMES as many characters more as its messages.
LONGEST, TIMES = 100_000, 8

# Limits for a batch of texts and its tokenizer. Each character of the texts raises them.
TOKENIZE_BYTES, BYTES_PER_CHARACTER = 4 << 30, 2_000
# CPU time in any code. CPU_SECONDS is also the limit for one chat. Ordinary tokenizers need a
# twentieth of SECONDS_PER_CHARACTER.
CPU_SECONDS, SECONDS_PER_CHARACTER = 120.0, 20e-6
# Wall-clock time: WALL_SECONDS, or WALL_PER_CPU times the limit of CPU time if that is more. This
# ends a process whose tokenizer waits for input and thus uses no CPU time. The factor is above 1
# because a process gets less CPU time on a busy machine.
WALL_SECONDS, WALL_PER_CPU = 900.0, 5

REPEAT = 0.1  # seconds until a timer fires again, in case its first error was caught
# Seconds that an outer timer gets if it expired during the call. 0 seconds would disable the timer.
SOON = 1e-3
STATM = "/proc/self/statm"  # its sixth number is the number of pages of data and stack
PAGE = resource.getpagesize()  # bytes
# Maps the exit code of a process that exceeded a limit to what it needed, for a message.
EXCESS = {
    -signal.SIGPROF: f"over {CPU_SECONDS:g} s of CPU time over some rows",
    -signal.SIGALRM: f"over {WALL_SECONDS:g} s, because it waits for something",
    -signal.SIGABRT: f"perhaps over {TOKENIZE_BYTES >> 30} GiB over some rows",
}


class OverrunError(StageError):
    """The error if a template exceeds its limits."""


@contextmanager
def bounded(memory: int, cpu: float, python: float = 0, wall: float = 0) -> Iterator[None]:
    """Context manager that limits the memory and time of its body.

    - `memory`: bytes that the body may allocate in addition to those in use. With more, MemoryError
      is raised, or the process ends.
    - `cpu`: seconds of CPU time after which the process ends
    - `python`: seconds of CPU time in user code after which OverrunError is raised in Python code;
      0 means no limit
    - `wall`: wall-clock seconds after which the process ends; 0 means no limit

    Time is limited only in the main thread. In nested use, the outer limits stay in force."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    has_timers = threading.current_thread() is threading.main_thread()
    try:
        _limit_data(memory, before)
        with _timed(cpu, python, wall) if has_timers else nullcontext():
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def _timed(cpu: float, python: float, wall: float) -> Iterator[None]:
    """Context manager that runs the timers of bounded(), in seconds; 0 means no limit. If the timer
    of an outer bounded() has less time left, it continues instead of the new timer. Afterwards, the
    outer timers continue with the time that is left."""
    signal.signal(signal.SIGVTALRM, _overrun)
    timers = {
        signal.ITIMER_VIRTUAL: (python, python and REPEAT),
        signal.ITIMER_PROF: (cpu, 0.0),
        signal.ITIMER_REAL: (wall, 0.0),
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
    """For each timer, the current seconds of its clock: CPU time in user code, all CPU time, and
    wall-clock time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        signal.ITIMER_VIRTUAL: usage.ru_utime,
        signal.ITIMER_PROF: usage.ru_utime + usage.ru_stime,
        signal.ITIMER_REAL: time.monotonic(),
    }


def _sooner(new: tuple[float, float], outer: tuple[float, float]) -> tuple[float, float]:
    """The one of two timers that expires first. A timer is (seconds until it expires, seconds until
    it expires again). If the first number is 0, it never expires."""
    return outer if outer[0] and (outer[0] < new[0] or not new[0]) else new


def _limit_data(more: int, before: tuple[int, int]) -> None:
    """Set RLIMIT_DATA to `more` bytes in addition to those in use, but at most to the limits in
    `before` (soft, hard). Only Linux has this limit, so other systems get none."""
    with (
        suppress(FileNotFoundError),
        open(STATM, "rb", buffering=0) as file,  # noqa: PTH123
    ):
        most = int(file.read().split()[5]) * PAGE + more
        limits = [limit for limit in before if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([most, *limits]), before[1]))


def _overrun(_number: int, _frame: FrameType | None) -> None:
    """The handler of SIGVTALRM."""
    raise OverrunError(f"it takes over {PYTHON_SECONDS:g} s to render one chat")


def bound_templates() -> None:
    """Limit every chat template that this process compiles or renders from now on, in any library.
    Compiling is limited too, because it computes constant expressions, which may be huge."""
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
    """The text that `render` returns for these arguments. Raises OverrunError if the limits are
    exceeded or the text is too long."""
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
        with bounded(RENDER_BYTES, CPU_SECONDS, PYTHON_SECONDS):
            yield
    except MemoryError:
        raise OverrunError(f"it needs over {RENDER_BYTES >> 20} MiB to render one chat") from None


@contextmanager
def tokenizing(characters: int = 0) -> Iterator[None]:
    """Context manager that limits the loading of a tokenizer, or its work on texts that together
    have `characters` characters. If a limit is exceeded, MemoryError is raised or the process
    ends."""
    memory = TOKENIZE_BYTES + BYTES_PER_CHARACTER * characters
    cpu = CPU_SECONDS + SECONDS_PER_CHARACTER * characters
    with bounded(memory, cpu, wall=max(WALL_SECONDS, WALL_PER_CPU * cpu)):
        yield


@contextmanager
def _working(tokenizer: Any, characters: int) -> Iterator[None]:
    """Like tokenizing(), but any exception in the body becomes a RecipeError about the
    tokenizer."""
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
    """Limit all encoding and decoding of `tokenizer`, a tokenizer of transformers, from now on.
    Returns the same tokenizer.

    Afterwards, its methods raise RecipeError for every error. If native code exceeds a limit, the
    process ends."""
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
