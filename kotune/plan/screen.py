"""Prints a plan on the terminal: counts, memory by part, time and cost, with one column per GPU."""

from collections.abc import Collection, Iterator

from rich.console import Console
from rich.text import Text

from kodata.errors import Translatable, joined
from kotune.compare.efficiency import cost
from kotune.display import table
from kotune.display.phrases.translation import ENGLISH, translate
from kotune.display.table import Row, Table
from kotune.display.words import ADAPTERS
from kotune.plan import assumptions
from kotune.plan.plan import GIB, GpuPlan, Plan
from kotune.score import batches

PREDICTED = Translatable(
    "PREDICTED: validated with published figures, not with our own measurements (docs/plan.md)."
)
# Fields of Memory, and their names in the table. Together they are the memory of training.
PARTS = {
    "weights": Translatable("stored weights"),
    "adapter": Translatable("adapter"),
    "gradients": Translatable("gradients"),
    "optimizer": Translatable("optimizer"),
    "activations": Translatable("activations"),
    "logits": Translatable("logits and loss"),
}
# Keys of GpuPlan.seconds, and their names in the table.
SPENT = {
    "download": Translatable("download"),
    "start_up": Translatable("start-up"),
    "training": Translatable("training"),
    "likelihood": Translatable("scoring: log-likelihoods"),
    "generation": Translatable("scoring: generation, at most"),
}


def show(plan: Plan, console: Console | None = None, language: str = ENGLISH) -> None:
    """Print the tables of a plan, and then a verdict and notes for each GPU. `console`: where to
    print; None for the terminal."""
    console = table.unbroken(console)
    console.print(Text(translate(PREDICTED, language), "bold"))
    for part in tables(plan):
        table.show(table.translated(part, language), console)
    for gpu_plan in plan.gpu_plans:
        text = translate(verdict(plan, gpu_plan), language)
        console.print(Text(text, "green" if gpu_plan.micro else "red"))
        for note in gpu_plan.notes:
            console.print(Text(f"  {translate(note, language)}"))


def tables(plan: Plan) -> Iterator[Table]:
    """The tables of training data, memory and time."""
    names = tuple(gpu_plan.gpu.name for gpu_plan in plan.gpu_plans)
    notes = [_count_note(plan), *plan.notes]
    yield Table(
        Translatable("What is trained"),
        (Translatable("recipe"), plan.name),
        list(_counts(plan)),
        1,
        notes,
    )
    yield Table(Translatable("Memory, GiB"), ("", *names), list(_memory(plan)), 1, [_memory_note()])
    yield Table(
        Translatable("Time, minutes"), ("", *names), list(_time(plan)), 1, list(_time_notes(plan))
    )


def verdict(plan: Plan, gpu_plan: GpuPlan) -> str:
    """One line about a GPU: whether the recipe fits, and if so, the largest micro-batch, the time
    and, with a price, the cost."""
    name = gpu_plan.gpu.name
    if not gpu_plan.micro:
        return Translatable("{name}: does not fit", name=name)
    price_paid = cost(gpu_plan.total_of(plan.seeds), plan.price)
    parts = [
        Translatable(
            "{name}: fits, with micro_batch_size up to {micro}; about {minutes:,.0f} minutes"
            if plan.seeds == 1
            else "{name}: fits, with micro_batch_size up to {micro}; about {minutes:,.0f} minutes"
            " for one seed, {all_minutes:,.0f} for {seeds}",
            name=name,
            micro=gpu_plan.micro,
            minutes=gpu_plan.total / 60,
            all_minutes=gpu_plan.total_of(plan.seeds) / 60,
            seeds=plan.seeds,
        )
    ]
    if price_paid:
        parts.append(
            Translatable(
                "{won:,.0f} won"
                if price_paid.dollars is None
                else "{won:,.0f} won (${dollars:,.2f})",
                won=price_paid.won,
                dollars=price_paid.dollars,
            )
        )
    return joined(", ", parts)


def _counts(plan: Plan) -> Iterator[Row]:
    counted = plan.counted
    yield Translatable("model, adapter"), f"{plan.recipe.model}, {ADAPTERS[plan.recipe.adapter]}"
    yield (
        Translatable("training examples, validation"),
        _about(plan, f"{counted.rows:,}", f"{counted.validation:,}"),
    )
    yield Translatable("tokens per epoch"), _about(plan, f"{counted.tokens:,}")
    yield (
        Translatable("tokens per example, mean and longest"),
        _about(plan, f"{counted.mean:,.1f}", f"{counted.longest:,}"),
    )
    yield (
        Translatable("steps"),
        Translatable(
            "{steps} of {size} rows" if plan.schedule.packing else "{steps} of {size} examples",
            steps=_about(plan, f"{plan.schedule.steps:,}"),
            size=plan.schedule.batch_size,
        ),
    )
    yield Translatable("parameters"), f"{plan.shape.parameters:,}"
    yield (
        Translatable("trainable"),
        f"{plan.method.trainable:,} ({plan.method.trainable / plan.shape.parameters:.2%})",
    )


def _about(plan: Plan, *numbers: str) -> Translatable:
    """Numbers of the plan's data. If they are estimated, each is marked as an estimate."""
    if plan.counted.exact:
        return joined(", ", numbers)
    return joined(", ", [Translatable("about {n}", n=number) for number in numbers])


def _count_note(plan: Plan) -> str:
    """How the tokens were counted or estimated."""
    if plan.counted.exact:
        counted = Translatable("Tokens are counted with the model's own tokenizer.")
        why = [joined("", (plan.counted.why, "."))] if plan.counted.why else []
        return joined(" ", (counted, *why))
    return Translatable(
        "Tokens are ESTIMATED: {why}. Assumed: {per_character} tokens per character, and {template}"
        " more per example.",
        why=plan.counted.why,
        per_character=assumptions.TOKENS_PER_CHARACTER,
        template=assumptions.TEMPLATE,
    )


def _memory(plan: Plan) -> Iterator[Row]:
    plans = plan.gpu_plans
    yield "micro_batch_size", *(str(gpu_plan.used) for gpu_plan in plans)
    for key, name in PARTS.items():
        yield name, *(_gib(getattr(gpu_plan.memory, key)) for gpu_plan in plans)
    yield Translatable("training, total"), *(_gib(gpu_plan.memory.training) for gpu_plan in plans)
    if any(gpu_plan.answers for gpu_plan in plans):
        yield (
            Translatable("answers generated at once"),
            *(_range(gpu_plan.answers.values()) for gpu_plan in plans),
        )
    yield Translatable("scoring, total"), *(_gib(gpu_plan.memory.scoring) for gpu_plan in plans)
    yield Translatable("usable"), *(_gib(gpu_plan.usable) for gpu_plan in plans)
    yield (
        Translatable("largest micro_batch_size"),
        *(str(gpu_plan.micro) if gpu_plan.micro else Translatable("none") for gpu_plan in plans),
    )


def _memory_note() -> str:
    return Translatable(
        "Assumed: {usable:.0%} of a GPU's memory is usable. Stored weights, adapter,"
        " gradients and optimizer are calculated exactly. Activations and logits are"
        " predicted for a micro-batch of the longest examples, padded.",
        usable=batches.USABLE,
    )


def _time(plan: Plan) -> Iterator[Row]:
    for key, name in SPENT.items():
        yield name, *(f"{gpu_plan.seconds[key] / 60:,.1f}" for gpu_plan in plan.gpu_plans)
    for number in dict.fromkeys((1, plan.seeds)):
        name = Translatable("total")
        if plan.seeds > 1:
            name = Translatable(
                "total, {number} seeds" if number > 1 else "total, {number} seed", number=number
            )
        totals = (gpu_plan.total_of(number) for gpu_plan in plan.gpu_plans)
        yield name, *(f"{seconds / 60:,.1f}" for seconds in totals)
    if plan.price:
        costs = (cost(gpu_plan.total_of(plan.seeds), plan.price) for gpu_plan in plan.gpu_plans)
        yield Translatable("won"), *(f"{spent.won:,.0f}" for spent in costs if spent)


def _time_notes(plan: Plan) -> Iterator[str]:
    """The assumptions about time, tasks whose time is missing, and a note about the price."""
    base, tuned = (1e3 * assumptions.PASSED_LAYER[variant] for variant in ("base", "tuned"))
    yield (
        Translatable(
            "Fitted to published figures of Qwen-1.8B: training reaches {training:.0%} of"
            " the data sheet's peak, and a micro-batch takes at least {layer:g} ms per"
            " layer ({layer_4bit:g} in 4 bits). Assumed: log-likelihoods reach"
            " {scoring:.0%} of the peak; a pass takes at least {base:g} ms per layer,"
            " {tuned:g} with the adapter; generation reaches {bandwidth:.0%} of the memory"
            " bandwidth, and every answer has its maximum length; {download:g} MB/s of"
            " download; {start_up:g} minutes of start-up.",
            training=assumptions.TRAINING,
            layer=1e3 * assumptions.TRAINED_LAYER,
            layer_4bit=1e3 * assumptions.TRAINED_LAYER_4BIT,
            scoring=assumptions.SCORING,
            base=base,
            tuned=tuned,
            bandwidth=assumptions.BANDWIDTH,
            download=assumptions.DOWNLOAD / 1e6,
            start_up=assumptions.START_UP / 60,
        )
    )
    if plan.seeds > 1:
        yield (
            Translatable(
                "The parts are those of the first seed. Each further seed takes the same time"
                " without the download and without the base model's answers. --seeds N sets"
                " how many there are."
            )
        )
    if unknown := [work.task for work in plan.works if work.items is None]:
        yield (
            Translatable(
                "Not included in the time: {tasks}. Counting its items needs its data on this"
                " machine.",
                tasks=", ".join(unknown),
            )
        )
    if plan.price and len(plan.gpu_plans) > 1:
        yield (
            Translatable(
                "Every GPU is assumed to cost {won_per_hour:,g} won per hour. For other"
                " prices, plan each GPU separately: --gpu NAME --price WON.",
                won_per_hour=plan.price.won_per_hour,
            )
        )
    if not plan.price:
        yield Translatable("For the cost, add the price of a machine hour: --price WON.")


def _gib(number: float) -> str:
    return f"{number / GIB:,.2f}"


def _range(numbers: Collection[int]) -> str:
    """The smallest and the largest number, as `1-256`. If they are equal, only that number."""
    return f"{min(numbers)}-{max(numbers)}" if len(set(numbers)) > 1 else str(min(numbers))
