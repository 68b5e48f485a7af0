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

from kodata.errors import Translatable
from kodata.progress import Progress, Watch
from kotune.display.pace import Pace
from kotune.display.phrases.translation import ENGLISH, lookup, translate
from kotune.display.terminal import terminal

if TYPE_CHECKING:  # the type comes from a package that imports this one
    from kotune.runs.records import Event

LINES = 10  # number of plain lines with a loss in a training
SECONDS = 10.0  # minimum time between two plain lines about other work


@dataclass(frozen=True)
class Notice:
    """A line that is shown on the screen between the events of a training. It is not recorded."""

    text: str


@dataclass(frozen=True)
class OutOfMemory:
    """Training restarts because the GPU ran out of memory after `step`. It restarts with the micro
    batch size and the accumulation steps given here. If they are None, it restarts with gradient
    checkpointing."""

    step: int
    micro_batch_size: int | None = None
    gradient_accumulation_steps: int | None = None


TrainingEvent: TypeAlias = "Event | Notice | OutOfMemory | Progress"


@dataclass(frozen=True)
class Screen:
    """Prints everything that a run shows on stdout, in a language. `clock` returns seconds."""

    console: Console = field(default_factory=lambda: terminal(soft_wrap=True))
    clock: Callable[[], float] = time.monotonic
    language: str = ENGLISH

    def translate(self, text: str) -> str:
        """A message in the language of the screen."""
        return translate(text, self.language)

    def header(self, folder: Path, title: str) -> None:
        self.console.print(f"{title} -> {folder}", markup=False)

    def title(self, text: str) -> None:
        self.console.print(f"\n{self.translate(text)}", style="bold", markup=False)

    def say(self, text: str) -> None:
        self.console.print(f"  {self.translate(text)}", markup=False)

    def skipped(self, stage: str) -> None:
        self._stage(stage, Translatable("done before, nothing changed"))

    def again(self, stage: str, changed: list[str]) -> None:
        keys = ", ".join(changed)
        self._stage(stage, Translatable("again, because this changed: {keys}", keys=keys))

    def _stage(self, stage: str, text: str) -> None:
        self.console.print(f"{stage:8} {self.translate(text)}", markup=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        self._stage(name, "...")
        yield
        seconds = time.monotonic() - begun
        self._stage(name, Translatable("{seconds:.1f} s", seconds=seconds))

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Context manager around work that reports its progress. Yields the function that shows the
        reports: as a bar on a terminal, else as lines, at most one every SECONDS seconds."""
        if not self.console.is_terminal:
            yield _Lines(self)
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.fields[pace]}"),
        )
        with Bars(*columns, console=self.console, transient=True) as bars:
            yield _Bar(bars, self)

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
            starting = self.translate(Translatable("starting Axolotl"))
            bar = bars.add_task(starting, total=None)
            for event in self._logged(events, _Bar(bars, self)):
                text = self.translate(_words(event)) if event.loss is not None else None
                bars.update(bar, completed=event.step, total=event.max_steps, description=text)

    def _lines(self, events: Iterable[TrainingEvent]) -> None:
        every, shown = 1, 0
        for event in self._logged(events, _Lines(self)):
            if event.max_steps is not None:
                every = max(1, event.max_steps // LINES)
            if event.loss is not None and event.step >= shown + every:
                shown = event.step
                words = _words(event)
                self.say(Translatable("step {step}: {words}", step=event.step, words=words))

    def _logged(self, events: Iterable[TrainingEvent], watch: Watch) -> "Iterator[Event]":
        """Yield only the events of metrics.jsonl. Notices and restarts are printed, and so are
        messages about the start of training. `watch` shows the progress of evaluations."""
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
        """Print messages for an event that has information about the start of training."""
        if event.event == "start" and event.step:
            self.say(Translatable("resumes from step {step}", step=event.step))
        if event.head == "all":
            self.say(
                Translatable(
                    "the head is computed for every token, trained or not: kotune does not support"
                    " this model class, or the weights are split across processes"
                )
            )
        if event.processes > 1 and event.examples_a_step is not None:
            self.say(
                Translatable(
                    "{processes} processes: each step has {examples} examples",
                    processes=event.processes,
                    examples=event.examples_a_step,
                )
            )


class _Lines:
    """Shows progress as lines. The first line of a piece of work is printed after SECONDS seconds,
    so short work prints none."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._shown = screen, screen.clock()  # when the last line came
        self._pace: Pace | None = None

    def __call__(self, progress: Progress) -> None:
        now = self._screen.clock()
        if not self._pace or not self._pace.is_of(progress):
            self._pace, self._shown = Pace(progress, now), now
        if now - self._shown >= SECONDS:
            self._shown = now
            language = self._screen.language
            what = _name(progress, language)
            self._screen.say(f"{what}: {self._pace.text(progress, now, language)}")


class _Bar:
    """Shows progress as a bar. There is one bar at a time, which is removed when it is full."""

    def __init__(self, bars: Bars, screen: Screen) -> None:
        self._bars, self._screen = bars, screen
        self._bar: TaskID | None = None
        self._pace: Pace | None = None

    def __call__(self, progress: Progress) -> None:
        now, language = self._screen.clock(), self._screen.language
        if self._bar is None or not self._pace or not self._pace.is_of(progress):
            self._pace = Pace(progress, now)
            if self._bar is not None:
                self._bars.remove_task(self._bar)
            self._bar = self._bars.add_task(
                _name(progress, language), total=progress.total, pace=""
            )
        pace = self._pace.text(progress, now, language)
        self._bars.update(self._bar, completed=progress.done, total=progress.total, pace=pace)
        if progress.done == progress.total:
            self._bars.remove_task(self._bar)
            self._bar = None


def _name(progress: Progress, language: str) -> str:
    """The name of a piece of work in a language. Names of tasks are the same in all languages."""
    return lookup(translate(progress.what, language), language)


def _again(event: OutOfMemory) -> Translatable:
    how: str = Translatable("gradient checkpointing")
    if event.micro_batch_size is not None:
        accumulation = event.gradient_accumulation_steps
        how = (
            f"micro_batch_size {event.micro_batch_size}, gradient_accumulation_steps {accumulation}"
        )
    return Translatable(
        "out of GPU memory at step {step}: restarting with {how}", step=event.step, how=how
    )


def _words(event: "Event") -> Translatable:
    return Translatable(
        "loss {loss:.4f}, {speed:,.0f} tokens/s",
        loss=event.loss or 0,
        speed=event.tokens_per_second,
    )
