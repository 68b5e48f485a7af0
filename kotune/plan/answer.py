"""The short answer of a plan: whether the recipe fits each GPU, its time and cost, and the command
that runs it."""

from collections.abc import Iterator
from pathlib import Path

from kodata.errors import joined
from kotune.display.phrases import Phrases
from kotune.display.phrases.translation import translate
from kotune.display.short import BLANK, Paragraph
from kotune.models.notes import notes as notes_of_model
from kotune.plan.plan import Plan
from kotune.plan.screen import PREDICTED, verdict
from kotune.runs.folder import command


def paragraphs(plan: Plan, recipe: Path, words: list[str], phrases: Phrases) -> Iterator[Paragraph]:
    """The paragraphs of the answer. `words`: the options with which the recipe was planned, for the
    command that runs it."""
    language = phrases.language
    yield Paragraph(translate(PREDICTED, language), style="bold")
    counted = plan.counted
    numbers = {"rows": counted.rows, "tokens": counted.tokens, "steps": plan.schedule.steps}
    shown = {name: f"{number:,}" for name, number in numbers.items()}
    kind = "exact" if counted.exact else "estimated"
    yield Paragraph(phrases.phrase("plan_counts", kind, name=plan.name, **shown), 1)
    yield BLANK
    for gpu_plan in plan.gpu_plans:
        text = translate(verdict(plan, gpu_plan), language)
        yield Paragraph(text, 1, "green" if gpu_plan.micro else "red")
    for text in (*_notes(plan), *notes_of_model(plan.recipe.model, phrases)):
        yield Paragraph(translate(text, language), 3)
    if not plan.counted.exact:
        yield Paragraph(phrases("plan_estimated", why=translate(plan.counted.why, language)), 2)
    if unknown := [work.task for work in plan.works if work.items is None]:
        yield Paragraph(phrases("plan_not_included", tasks=", ".join(unknown)), 2)
    if plan.fits:
        yield BLANK
        yield Paragraph(phrases("plan_next"))
        yield Paragraph(command(recipe, *words), is_command=True)


def _notes(plan: Plan) -> Iterator[str]:
    """The notes on the GPUs. A note that does not hold for all GPUs names its GPUs."""
    gpus: dict[str, list[str]] = {}
    for gpu_plan in plan.gpu_plans:
        for note in gpu_plan.notes:
            gpus.setdefault(note, []).append(gpu_plan.gpu.name)
    for note, names in gpus.items():
        is_of_all = len(names) == len(plan.gpu_plans)
        yield note if is_of_all else joined("", (f"{', '.join(names)}: ", note))
