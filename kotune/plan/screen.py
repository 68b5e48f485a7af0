"""Prints a plan on the terminal: counts, memory by part, time and cost, with one column per GPU."""

from collections.abc import Collection, Iterator

from rich.console import Console
from rich.text import Text

from kotune.compare.efficiency import cost
from kotune.display import table
from kotune.display.table import Row, Table
from kotune.display.words import ADAPTERS
from kotune.plan import assumptions
from kotune.plan.plan import GIB, GpuPlan, Plan
from kotune.score import batches

PREDICTED = (
    "PREDICTED: validated with published figures, not with our own measurements (docs/plan.md)."
)
# Fields of Memory, and their names in the table. Together they are the memory of training.
PARTS = {
    "weights": "stored weights",
    "adapter": "adapter",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "activations": "activations",
    "logits": "logits and loss",
}
# Keys of GpuPlan.seconds, and their names in the table.
SPENT = {
    "download": "download",
    "start_up": "start-up",
    "training": "training",
    "likelihood": "scoring: log-likelihoods",
    "generation": "scoring: generation, at most",
}


def show(plan: Plan, console: Console | None = None) -> None:
    """Print the tables of a plan, and then a verdict and notes for each GPU. `console`: where to
    print; None for the terminal."""
    console = table.unbroken(console)
    console.print(Text(PREDICTED, "bold"))
    for part in tables(plan):
        table.show(part, console)
    for gpu_plan in plan.gpu_plans:
        console.print(Text(verdict(plan, gpu_plan), "green" if gpu_plan.micro else "red"))
        for note in gpu_plan.notes:
            console.print(Text(f"  {note}"))


def tables(plan: Plan) -> Iterator[Table]:
    """The tables of training data, memory and time."""
    names = tuple(gpu_plan.gpu.name for gpu_plan in plan.gpu_plans)
    notes = [_count_note(plan), *plan.notes]
    yield Table("What is trained", ("recipe", plan.name), list(_counts(plan)), 1, notes)
    yield Table("Memory, GiB", ("", *names), list(_memory(plan)), 1, [_memory_note()])
    yield Table("Time, minutes", ("", *names), list(_time(plan)), 1, list(_time_notes(plan)))


def verdict(plan: Plan, gpu_plan: GpuPlan) -> str:
    """One line about a GPU: whether the recipe fits, and if so, the largest micro-batch, the time
    and, with a price, the cost."""
    name = gpu_plan.gpu.name
    if not gpu_plan.micro:
        return f"{name}: does not fit"
    price_paid = cost(gpu_plan.total_of(plan.seeds), plan.price)
    minutes = f"{gpu_plan.total / 60:,.0f} minutes"
    if plan.seeds > 1:
        minutes += f" for one seed, {gpu_plan.total_of(plan.seeds) / 60:,.0f} for {plan.seeds}"
    money = f", {price_paid.won:,.0f} won" if price_paid else ""
    if price_paid and price_paid.dollars is not None:
        money += f" (${price_paid.dollars:,.2f})"
    return f"{name}: fits, with micro_batch_size up to {gpu_plan.micro}; about {minutes}{money}"


def _counts(plan: Plan) -> Iterator[Row]:
    counted, about = plan.counted, "" if plan.counted.exact else "about "
    yield "model, adapter", f"{plan.recipe.model}, {ADAPTERS[plan.recipe.adapter]}"
    yield "training examples, validation", f"{about}{counted.rows:,}, {about}{counted.validation:,}"
    yield "tokens per epoch", f"{about}{counted.tokens:,}"
    yield (
        "tokens per example, mean and longest",
        f"{about}{counted.mean:,.1f}, {about}{counted.longest:,}",
    )
    yield (
        "steps",
        (
            f"{about}{plan.schedule.steps:,} of {plan.schedule.batch_size}"
            f" {'rows' if plan.schedule.packing else 'examples'}"
        ),
    )
    yield "parameters", f"{plan.shape.parameters:,}"
    yield (
        "trainable",
        f"{plan.method.trainable:,} ({plan.method.trainable / plan.shape.parameters:.2%})",
    )


def _count_note(plan: Plan) -> str:
    """How the tokens were counted or estimated."""
    if plan.counted.exact:
        more = f" {plan.counted.why}." if plan.counted.why else ""
        return f"Tokens are counted with the model's own tokenizer.{more}"
    return (
        f"Tokens are ESTIMATED: {plan.counted.why}. Assumed: {assumptions.TOKENS_PER_CHARACTER}"
        f" tokens per character, and {assumptions.TEMPLATE} more per example."
    )


def _memory(plan: Plan) -> Iterator[Row]:
    plans = plan.gpu_plans
    yield "micro_batch_size", *(str(gpu_plan.used) for gpu_plan in plans)
    for key, name in PARTS.items():
        yield name, *(_gib(getattr(gpu_plan.memory, key)) for gpu_plan in plans)
    yield "training, total", *(_gib(gpu_plan.memory.training) for gpu_plan in plans)
    if any(gpu_plan.answers for gpu_plan in plans):
        yield (
            "answers generated at once",
            *(_range(gpu_plan.answers.values()) for gpu_plan in plans),
        )
    yield "scoring, total", *(_gib(gpu_plan.memory.scoring) for gpu_plan in plans)
    yield "usable", *(_gib(gpu_plan.usable) for gpu_plan in plans)
    yield "largest micro_batch_size", *(str(gpu_plan.micro or "none") for gpu_plan in plans)


def _memory_note() -> str:
    return (
        f"Assumed: {batches.USABLE:.0%} of a GPU's memory is usable. Stored weights, adapter,"
        " gradients and optimizer are calculated exactly. Activations and logits are predicted for"
        " a micro-batch of the longest examples, padded."
    )


def _time(plan: Plan) -> Iterator[Row]:
    for key, name in SPENT.items():
        yield name, *(f"{gpu_plan.seconds[key] / 60:,.1f}" for gpu_plan in plan.gpu_plans)
    for number in dict.fromkeys((1, plan.seeds)):
        name = "total" if plan.seeds == 1 else f"total, {number} seed{'s' if number > 1 else ''}"
        totals = (gpu_plan.total_of(number) for gpu_plan in plan.gpu_plans)
        yield name, *(f"{seconds / 60:,.1f}" for seconds in totals)
    if plan.price:
        costs = (cost(gpu_plan.total_of(plan.seeds), plan.price) for gpu_plan in plan.gpu_plans)
        yield "won", *(f"{spent.won:,.0f}" for spent in costs if spent)


def _time_notes(plan: Plan) -> Iterator[str]:
    """The assumptions about time, tasks whose time is missing, and a note about the price."""
    base, tuned = (1e3 * assumptions.PASSED_LAYER[variant] for variant in ("base", "tuned"))
    yield (
        f"Fitted to published figures of Qwen-1.8B: training reaches {assumptions.TRAINING:.0%} of"
        f" the data sheet's peak, and a micro-batch takes at least"
        f" {1e3 * assumptions.TRAINED_LAYER:g} ms per layer"
        f" ({1e3 * assumptions.TRAINED_LAYER_4BIT:g} in 4 bits). Assumed: log-likelihoods reach"
        f" {assumptions.SCORING:.0%} of the peak; a pass takes at least {base:g} ms per layer,"
        f" {tuned:g} with the adapter; generation reaches {assumptions.BANDWIDTH:.0%} of the memory"
        f" bandwidth, and every answer has its maximum length; {assumptions.DOWNLOAD / 1e6:g} MB/s"
        f" of download; {assumptions.START_UP / 60:g} minutes of start-up."
    )
    if plan.seeds > 1:
        yield (
            "The parts are those of the first seed. Each further seed takes the same time without"
            " the download and without the base model's answers. --seeds N sets how many there are."
        )
    if unknown := [work.task for work in plan.works if work.items is None]:
        yield (
            f"Not included in the time: {', '.join(unknown)}. Counting its items needs its data on"
            " this machine."
        )
    if plan.price and len(plan.gpu_plans) > 1:
        yield (
            f"Every GPU is assumed to cost {plan.price.won_per_hour:,g} won per hour. For other"
            " prices, plan each GPU separately: --gpu NAME --price WON."
        )
    if not plan.price:
        yield "For the cost, add the price of a machine hour: --price WON."


def _gib(number: float) -> str:
    return f"{number / GIB:,.2f}"


def _range(numbers: Collection[int]) -> str:
    """The smallest and the largest number, as `1-256`. If they are equal, only that number."""
    return f"{min(numbers)}-{max(numbers)}" if len(set(numbers)) > 1 else str(min(numbers))
