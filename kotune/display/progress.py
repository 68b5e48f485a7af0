"""Shows the progress of a run. On a terminal it is a bar; in a log file it is plain lines."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from kodata.progress import Progress, Watch
from kotune.display.pace import Pace
from kotune.display.terminal import terminal

if TYPE_CHECKING:  # the type comes from a package that imports this one
    from kotune.runs.records import Event

LINES = 10  # plain lines with a loss per training
SECONDS = 10.0  # at least so many seconds between two plain lines about other work


@dataclass(frozen=True)
class Notice:
    """A line that is shown on the screen between the events of a training. It is not recorded."""

    text: str


@dataclass(frozen=True)
class OutOfMemory:
    """Training restarts because the GPU ran out of memory after `step`. It restarts with a smaller
    micro-batch, or with gradient checkpointing if `micro_batch_size` is None."""

    step: int
    micro_batch_size: int | None = None
    gradient_accumulation_steps: int | None = None


TrainingEvent: TypeAlias = "Event | Notice | OutOfMemory | Progress"


@dataclass(frozen=True)
class Screen:
    """Everything that a run prints on stdout."""

    console: Console = field(default_factory=lambda: terminal(soft_wrap=True))
    clock: Callable[[], float] = time.monotonic

    def header(self, folder: Path, title: str) -> None:
        self.console.print(f"{title} -> {folder}", markup=False)

    def title(self, text: str) -> None:
        self.console.print(f"\n{text}", style="bold", markup=False)

    def say(self, text: str) -> None:
        self.console.print(f"  {text}", markup=False)

    def skipped(self, stage: str) -> None:
        self.console.print(f"{stage:8} done before, nothing changed", markup=False)

    def again(self, stage: str, changed: list[str]) -> None:
        self.console.print(
            f"{stage:8} again, because this changed: {', '.join(changed)}", markup=False
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        self.console.print(f"{name:8} ...", markup=False)
        yield
        self.console.print(f"{name:8} {time.monotonic() - begun:.1f} s", markup=False)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Context manager around work that reports its progress. Yields the function that shows
        it: as a bar on a terminal, else as lines, at most one in SECONDS seconds."""
        if not self.console.is_terminal:
            yield _Lines(self)
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.fields[pace]}"),
        )
        with Bars(*columns, console=self.console, transient=True) as bars:
            yield _Bar(bars, self.clock)

    def training(self, events: Iterable[TrainingEvent]) -> None:
        """Show the events of a training as they arrive."""
        if self.console.is_terminal:
            self._bar(events)
        else:
            self._lines(events)

    def _bar(self, events: Iterable[TrainingEvent]) -> None:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self.console) as bars:
            bar = bars.add_task("starting Axolotl", total=None)
            for event in self._logged(events, _Bar(bars, self.clock)):
                text = _words(event) if event.loss is not None else None
                bars.update(bar, completed=event.step, total=event.max_steps, description=text)

    def _lines(self, events: Iterable[TrainingEvent]) -> None:
        every, shown = 1, 0
        for event in self._logged(events, _Lines(self)):
            if event.max_steps is not None:
                every = max(1, event.max_steps // LINES)
            if event.loss is not None and event.step >= shown + every:
                shown = event.step
                self.say(f"step {event.step}: {_words(event)}")

    def _logged(self, events: Iterable[TrainingEvent], watch: Watch) -> "Iterator[Event]":
        """Yield only the events of metrics.jsonl. Notices and restarts are printed, and so are
        remarks about the start of training. `watch` shows the progress of evaluations."""
        for event in events:
            if isinstance(event, Progress):
                watch(event)
            elif isinstance(event, Notice):
                self.say(event.text)
            elif isinstance(event, OutOfMemory):
                self.say(_again(event))
            else:
                self._started(event)
                yield event

    def _started(self, event: "Event") -> None:
        if event.event == "start" and event.step:
            self.say(f"resumes from step {event.step}")
        if event.head == "all":
            self.say(
                "the head is computed for every token, trained or not: kotune does not support this"
                " model class, or the weights are split across processes"
            )
        if event.processes > 1 and event.examples_a_step is not None:
            self.say(f"{event.processes} processes: each step has {event.examples_a_step} examples")


class _Lines:
    """Shows progress as lines. The first one of a piece of work comes after SECONDS seconds, so
    that short work prints nothing."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._shown = screen, screen.clock()  # when the last line came
        self._pace: Pace | None = None

    def __call__(self, progress: Progress) -> None:
        now = self._screen.clock()
        if not self._pace or not self._pace.is_of(progress):
            self._pace, self._shown = Pace(progress, now), now
        if now - self._shown >= SECONDS:
            self._shown = now
            self._screen.say(f"{progress.what}: {self._pace.text(progress, now)}")


class _Bar:
    """Shows progress as a bar. There is one bar at a time, which is removed when it is full."""

    def __init__(self, bars: Bars, clock: Callable[[], float]) -> None:
        self._bars, self._clock = bars, clock
        self._bar: TaskID | None = None
        self._pace: Pace | None = None

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        if self._bar is None or not self._pace or not self._pace.is_of(progress):
            self._pace = Pace(progress, now)
            if self._bar is not None:
                self._bars.remove_task(self._bar)
            self._bar = self._bars.add_task(progress.what, total=progress.total, pace="")
        pace = self._pace.text(progress, now)
        self._bars.update(self._bar, completed=progress.done, total=progress.total, pace=pace)
        if progress.done == progress.total:
            self._bars.remove_task(self._bar)
            self._bar = None


def _again(event: OutOfMemory) -> str:
    how = "gradient checkpointing"
    if event.micro_batch_size is not None:
        accumulation = event.gradient_accumulation_steps
        how = (
            f"micro_batch_size {event.micro_batch_size}, gradient_accumulation_steps {accumulation}"
        )
    return f"out of GPU memory at step {event.step}: restarting with {how}"


def _words(event: "Event") -> str:
    return f"loss {event.loss or 0:.4f}, {event.tokens_per_second:,.0f} tokens/s"
