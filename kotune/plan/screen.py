"""A plan on the terminal: what is counted, memory by part, time and money, a column a GPU."""

from collections.abc import Collection, Iterator

from rich.console import Console
from rich.text import Text

from kotune.compare.efficiency import cost
from kotune.display import table
from kotune.display.table import Row, Table
from kotune.display.words import ADAPTERS
from kotune.plan import assumptions
from kotune.plan.plan import GIB, On, Plan
from kotune.score import batches

PREDICTED = (
    "PREDICTED: held against published figures, not against our own measurements (docs/plan.md)."
)
PARTS = {
    "weights": "stored weights",
    "adapter": "adapter",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "activations": "activations",
    "logits": "logits and loss",
}
SPENT = {
    "download": "download",
    "start_up": "start-up",
    "training": "training",
    "likelihood": "scoring: reading",
    "generation": "scoring: writing, at most",
}


def show(plan: Plan, console: Console | None = None) -> None:
    """Print all of it."""
    console = table.unbroken(console)
    console.print(Text(PREDICTED, "bold"))
    for found in tables(plan):
        table.show(found, console)
    for one in plan.on:
        console.print(Text(verdict(plan, one), "green" if one.micro else "red"))
        for note in one.notes:
            console.print(Text(f"  {note}"))


def tables(plan: Plan) -> Iterator[Table]:
    """What is trained on, then memory and time."""
    names = tuple(one.gpu.name for one in plan.on)
    yield Table(
        "What is trained", ("recipe", plan.name), list(_counts(plan)), 1, [*_how(plan), *plan.notes]
    )
    yield Table("Memory, GiB", ("", *names), list(_memory(plan)), 1, [_memory_note()])
    yield Table("Time, minutes", ("", *names), list(_time(plan)), 1, list(_time_notes(plan)))


def verdict(plan: Plan, one: On) -> str:
    """Whether it fits on one GPU, and what follows."""
    if not one.micro:
        return f"{one.gpu.name}: does not fit"
    spent = cost(one.total, plan.price)
    money = f", {spent.won:,.0f} won" if spent else ""
    money += f" (${spent.dollars:,.2f})" if spent and spent.dollars is not None else ""
    return (
        f"{one.gpu.name}: fits, with micro_batch_size up to {one.micro}; about"
        f" {one.total / 60:,.0f} minutes{money}"
    )


def _counts(plan: Plan) -> Iterator[Row]:
    counted, about = plan.counted, "" if plan.counted.exact else "about "
    yield "model, adapter", f"{plan.recipe.model}, {ADAPTERS[plan.recipe.adapter]}"
    yield "training examples, validation", f"{about}{counted.rows:,}, {about}{counted.validation:,}"
    yield "tokens an epoch", f"{about}{counted.tokens:,}"
    yield "tokens an example, longest", f"{about}{counted.mean:,.1f}, {about}{counted.longest:,}"
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


def _how(plan: Plan) -> Iterator[str]:
    if plan.counted.exact:
        yield "Tokens are counted with the model's own tokenizer." + (
            f" {plan.counted.why}." if plan.counted.why else ""
        )
    else:
        rate = (
            f"{assumptions.TOKENS_PER_CHARACTER} tokens a character and {assumptions.TEMPLATE} an"
            " example are assumed"
        )
        yield f"Tokens are ESTIMATED: {plan.counted.why}. {rate}."


def _memory(plan: Plan) -> Iterator[Row]:
    yield "micro_batch_size", *(str(one.used) for one in plan.on)
    for key, name in PARTS.items():
        yield name, *(_gib(getattr(one.memory, key)) for one in plan.on)
    yield "training, all of it", *(_gib(one.memory.training) for one in plan.on)
    if any(one.answers for one in plan.on):
        yield "answers written at once", *(_range(one.answers.values()) for one in plan.on)
    yield "scoring, all of it", *(_gib(one.memory.scoring) for one in plan.on)
    yield "usable", *(_gib(one.usable) for one in plan.on)
    yield "micro_batch_size that fits", *(str(one.micro or "none") for one in plan.on)


def _memory_note() -> str:
    return (
        f"{batches.USABLE:.0%} of a GPU's memory is taken to be usable: an assumption. Stored"
        " weights, adapter, gradients and optimizer are arithmetic; activations and logits are"
        " those of the longest examples, padded."
    )


def _time(plan: Plan) -> Iterator[Row]:
    for key, name in SPENT.items():
        yield name, *(f"{one.seconds[key] / 60:,.1f}" for one in plan.on)
    yield "all of it", *(f"{one.total / 60:,.1f}" for one in plan.on)
    if plan.price:
        costs = (cost(one.total, plan.price) for one in plan.on)
        yield "won", *(f"{spent.won:,.0f}" for spent in costs if spent)


def _time_notes(plan: Plan) -> Iterator[str]:
    base, tuned = (1e3 * assumptions.PASSED_LAYER[variant] for variant in ("base", "tuned"))
    yield (
        f"Fitted to Qwen-1.8B's published figures: {assumptions.TRAINING:.0%} of the data sheet's"
        f" peak in training, and no micro-batch under {1e3 * assumptions.TRAINED_LAYER:g} ms a"
        f" layer ({1e3 * assumptions.TRAINED_LAYER_4BIT:g} in 4 bits). Assumed:"
        f" {assumptions.SCORING:.0%} of the peak in reading; a pass takes {base:g} ms a layer at"
        f" least, {tuned:g} with the adapter, and writing {assumptions.BANDWIDTH:.0%} of the memory"
        f" bandwidth (every answer is as long as it may be); {assumptions.DOWNLOAD / 1e6:g} MB/s of"
        f" download, {assumptions.START_UP / 60:g} minutes of start-up."
    )
    if unknown := [one.task for one in plan.works if one.items is None]:
        yield (
            f"Not in the time: {', '.join(unknown)}, whose items cannot be counted before its data"
            " are here."
        )
    if plan.price and len(plan.on) > 1:
        yield (
            f"Every GPU is taken to cost {plan.price.won_per_hour:,g} won an hour; ask once for"
            " each: --gpu NAME --price WON."
        )
    if not plan.price:
        yield "Cost: give what an hour of the machine costs, as --price WON."


def _gib(number: float) -> str:
    return f"{number / GIB:,.2f}"


def _range(numbers: Collection[int]) -> str:
    """The smallest and the largest of some numbers."""
    return f"{min(numbers)}-{max(numbers)}" if len(set(numbers)) > 1 else str(min(numbers))
