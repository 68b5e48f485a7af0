"""What a stranger's chat template and tokenizer may take inside a child, whatever text they are
given: a template is a program, and a tokenizer's rules may double a text as often as they like.
Both can wait for a text that no rehearsal has.

Each call has bounds of its own, so that a process with a model in it, or with a GPU, has as much
memory as it likes otherwise. The kernel keeps them: RLIMIT_DATA counts private memory that is
written to, none of the addresses that a GPU reserves. What is over ends as an error where Python is
at work, and ends the process (SIGPROF, SIGABRT) where a library is."""

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

SECONDS = 5.0  # of CPU time for one chat, in Python; honest templates take some thousandths
# Seconds of a day's time at least, for a tokenizer that waits: reading takes no CPU time.
CLOCK = 900.0
SLOWEST = 5  # times the CPU time that it may take, on a machine that is busy
KILLED = 120.0  # of CPU time, and TOKEN for each character, in whatever code
TOKEN = 20e-6  # an honest tokenizer takes a twentieth
RENDERED = 256 << 20  # bytes for one chat, beside what the process has already
# Bytes for a batch of texts or to load a tokenizer, and LETTER for each character.
TOKENIZED = 4 << 30
LETTER = 2_000
LONGEST = 100_000  # characters of a rendered chat, and TIMES of what is said in it
TIMES = 8
# Seconds until a timer rings again, where somebody catches the first, and of one that is over.
REPEAT, SOON = (0.1, 1e-3)
# Its sixth number: pages of data and stack.
STATM, PAGE = ("/proc/self/statm", resource.getpagesize())
ENDED = {  # by the exit code of a process that had bounds
    -signal.SIGPROF: f"over {KILLED:g} s of CPU time over some rows",
    -signal.SIGALRM: f"over {CLOCK:g} s, in which it waits for something",
    -signal.SIGABRT: f"perhaps over {TOKENIZED >> 30} GiB over some rows",
}


class OverrunError(StageError):
    """A template went over its bounds."""


@contextmanager
def bounded(memory: int, killed: float, seconds: float = 0, clock: float = 0) -> Iterator[None]:
    """OverrunError after `seconds` of CPU time in Python (0: never), MemoryError or the end of the
    process over `memory` bytes more than it has, the end of the process after `killed` seconds of
    CPU time, or `clock` seconds in all (0: never). Timers are for the main thread. Inside others,
    the bounds around go on."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    timed = threading.current_thread() is threading.main_thread()
    try:
        _limit_data(memory, before)
        with _timed(killed, seconds, clock) if timed else nullcontext():
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextmanager
def _timed(killed: float, seconds: float, clock: float) -> Iterator[None]:
    """The timers of bounded(). What is left of those around stays the most that there is, and runs
    on afterwards."""
    signal.signal(signal.SIGVTALRM, _overrun)
    asked = {
        signal.ITIMER_VIRTUAL: (seconds, seconds and REPEAT),
        signal.ITIMER_PROF: (killed, 0.0),
        signal.ITIMER_REAL: (clock, 0.0),
    }
    around = {
        timer: signal.setitimer(timer, *_sooner(*asked[timer], *signal.getitimer(timer)))
        for timer in asked
    }
    begun = _used()
    try:
        yield
    finally:
        used = _used()
        for timer, (left, again) in around.items():
            signal.setitimer(timer, left and max(left - used[timer] + begun[timer], SOON), again)


def _used() -> dict[int, float]:
    """The seconds of this process so far, as each timer counts them."""
    found = resource.getrusage(resource.RUSAGE_SELF)
    whole = found.ru_utime + found.ru_stime
    return {
        signal.ITIMER_VIRTUAL: found.ru_utime,
        signal.ITIMER_PROF: whole,
        signal.ITIMER_REAL: time.monotonic(),
    }


def _sooner(most: float, again: float, left: float, then: float) -> tuple[float, float]:
    """Of two timers that which ends sooner; 0: never."""
    return (left, then) if left and (left < most or not most) else (most, again)


def _limit_data(more: int, before: tuple[int, int]) -> None:
    """Not over what other limits allow; nothing elsewhere than on Linux, which has no such
    limit."""
    with (
        suppress(FileNotFoundError),
        open(STATM, "rb", buffering=0) as file,  # noqa: PTH123
    ):
        most = int(file.read().split()[5]) * PAGE + more
        given = [limit for limit in before if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([most, *given]), before[1]))


def _overrun(_number: int, _frame: FrameType | None) -> None:
    raise OverrunError(f"it takes over {SECONDS:g} s to render one chat")


def bound_templates() -> None:
    """Every chat template that this process compiles or renders from now on, for whichever library,
    is so within bounds. Compiling works out what is constant, however large."""
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Bounded(Template):
        def render(self, *given: Any, **named: Any) -> str:
            return _rendered(super().render, given, named)

        def generate(self, *given: Any, **named: Any) -> Iterator[str]:
            plain = super().generate
            yield _rendered(lambda *given, **named: "".join(plain(*given, **named)), given, named)

    def from_string(self: Any, *given: Any, **named: Any) -> Any:
        with _told():
            return super(ImmutableSandboxedEnvironment, self).from_string(*given, **named)

    ImmutableSandboxedEnvironment.template_class = Bounded
    ImmutableSandboxedEnvironment.from_string = from_string  # type: ignore[method-assign]


def _rendered(render: Any, given: Any, named: dict[str, Any]) -> str:
    with _told():
        text: str = render(*given, **named)
    if len(text) > LONGEST and len(text) > (
        most := LONGEST + TIMES * len(str(named.get("messages")))
    ):
        raise OverrunError(f"it makes over {most:,} characters of one chat")
    return text


@contextmanager
def _told() -> Iterator[None]:
    try:
        with bounded(RENDERED, KILLED, SECONDS):
            yield
    except MemoryError:
        raise OverrunError(f"it needs over {RENDERED >> 20} MiB to render one chat") from None


@contextmanager
def tokenizing(characters: int = 0) -> Iterator[None]:
    """Bounds for a tokenizer at work over so many characters, or being loaded."""
    killed = KILLED + TOKEN * characters
    with bounded(TOKENIZED + LETTER * characters, killed, clock=max(CLOCK, SLOWEST * killed)):
        yield


@contextmanager
def _working(tokenizer: Any, characters: int) -> Iterator[None]:
    """tokenizing(), where whatever is raised is the tokenizer's fault. RecipeError."""
    try:
        with tokenizing(characters):
            yield
    except Exception as error:
        told = on_one_line(f"{type(error).__name__}: {brief(error)}")
        raise RecipeError(
            f"model {tokenizer.name_or_path}: its tokenizer cannot take a text ({told}); choose"
            " another model"
        ) from error


def bound_tokenizer(tokenizer: Any) -> Any:
    """The tokenizer, all of whose encoding and decoding is bounded from now on, for whoever has
    it."""
    plain = tokenizer._encode_plus

    @wraps(plain)
    def encode(text: Any, *given: Any, **named: Any) -> Any:
        texts = text if isinstance(text, (list, tuple)) else [text]
        with _working(tokenizer, sum(map(len, texts))):
            return plain(text, *given, **named)

    undone = tokenizer._decode

    @wraps(undone)
    def decode(*given: Any, **named: Any) -> Any:
        ids = named.get("token_ids", given[0] if given else ())
        with _working(tokenizer, len(ids) if hasattr(ids, "__len__") else 1):
            return undone(*given, **named)

    tokenizer._encode_plus, tokenizer._decode = encode, decode
    return tokenizer
