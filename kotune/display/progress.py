"""Shows the progress of a run: a bar on a terminal, plain lines in a log file."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from kotune.display.terminal import terminal

LINES = 10  # plain progress lines per training


@dataclass(frozen=True)
class Screen:
    """Everything that a run prints on stdout."""

    console: Console = field(default_factory=lambda: terminal(soft_wrap=True))

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

    def training(self, events: Iterable[dict[str, Any]]) -> None:
        """Show a training's metrics events as they come."""
        if self.console.is_terminal:
            self._bar(events)
        else:
            self._lines(events)

    def _bar(self, events: Iterable[dict[str, Any]]) -> None:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            bar = progress.add_task("starting Axolotl", total=None)
            for event in events:
                self._notes(event)
                text = _words(event) if "loss" in event else None
                progress.update(
                    bar, completed=event["step"], total=event.get("max_steps"), description=text
                )

    def _lines(self, events: Iterable[dict[str, Any]]) -> None:
        every, shown = 1, 0
        for event in events:
            self._notes(event)
            every = max(1, event.get("max_steps", every * LINES) // LINES)
            if "loss" in event and event["step"] >= shown + every:
                shown = event["step"]
                self.say(f"step {event['step']}: {_words(event)}")

    def _notes(self, event: dict[str, Any]) -> None:
        """Print lines for events that a user should see."""
        if event["event"] == "message":
            self.say(event["text"])
        if event["event"] == "start" and event["step"]:
            self.say(f"resumes from step {event['step']}")
        if event.get("head") == "all":
            self.say(
                "the head is computed for every token, trained or not: kotune does not support this"
                " model class, or the weights are split across processes"
            )
        if event.get("processes", 1) > 1 and "examples_a_step" in event:
            self.say(
                f"{event['processes']} processes: each step has {event['examples_a_step']} examples"
            )
        if event["event"] == "out_of_memory" and "micro_batch_size" not in event:
            self.say(
                f"out of GPU memory at step {event['step']}: restarting with gradient checkpointing"
            )
        elif event["event"] == "out_of_memory":
            sizes = event["micro_batch_size"], event["gradient_accumulation_steps"]
            self.say(
                f"out of GPU memory at step {event['step']}: restarting with micro_batch_size"
                f" {sizes[0]}, gradient_accumulation_steps {sizes[1]}"
            )


def _words(event: dict[str, Any]) -> str:
    return f"loss {float(event['loss']):.4f}, {event.get('tokens_per_second', 0):,.0f} tokens/s"
