"""Formats the progress of a piece of work: how much is done, how fast, and when it will end."""

from kodata.errors import Translatable, joined
from kodata.progress import BYTES, Progress
from kotune.display.phrases.translation import ENGLISH, lookup, translate

MB = 1_000_000  # bytes


class Pace:
    """The rate of one piece of work since its first report. Times are in seconds. They may be from
    any clock, if it is always the same one."""

    def __init__(self, first: Progress, now: float) -> None:
        self._first, self._begun = first, now

    def is_of(self, progress: Progress) -> bool:
        """Whether a report is about this piece of work. It is not if the name differs. If less is
        done than in the first report, the work started again, so it is not either."""
        return progress.what == self._first.what and progress.done >= self._first.done

    def text(self, progress: Progress, now: float, language: str = ENGLISH) -> str:
        """For example `1,200/3,000 items, 45.2 items/s, 812 tokens/s, about 40 s left`. The rates
        are averages since the first report. They are omitted if nothing was done since then."""
        done, seconds = progress.done - self._first.done, now - self._begun
        parts: list[str] = [_amount(progress, language)]
        if done > 0 and seconds > 0:
            parts.append(_rate(done / seconds, lookup(progress.unit, language)))
            if tokens := progress.tokens - self._first.tokens:
                parts.append(_rate(tokens / seconds, Translatable("tokens")))
            if progress.total:
                parts.append(left(progress.total - progress.done, done, seconds))
        return translate(joined(", ", parts), language)


def left(todo: int, done: int, seconds: float) -> Translatable:
    """The time that `todo` more units will take if `done` units took `seconds`, as text."""
    return Translatable("about {time} left", time=duration(todo * seconds / done))


def _amount(progress: Progress, language: str) -> str:
    scale, unit = (MB, "MB") if progress.unit == BYTES else (1, lookup(progress.unit, language))
    total = f"/{progress.total // scale:,}" if progress.total is not None else ""
    return f"{progress.done // scale:,}{total} {unit}"


def _rate(a_second: float, unit: str) -> Translatable:
    if unit == BYTES:
        a_second, unit = a_second / MB, "MB"
    rate = f"{a_second:,.0f}" if a_second >= 100 else f"{a_second:.3g}"
    return Translatable("{rate} {unit}/s", rate=rate, unit=unit)


def duration(seconds: float) -> Translatable:
    """A duration in seconds, minutes or hours, for example `40 s`, `12 min` or `3.5 h`."""
    if seconds < 90:
        return Translatable("{seconds:.0f} s", seconds=seconds)
    if seconds < 90 * 60:
        return Translatable("{minutes:.0f} min", minutes=seconds / 60)
    return Translatable("{hours:.1f} h", hours=seconds / 3600)
