"""What a recipe will take before anything is paid for: tokens, steps, memory by part, time and
money on each GPU asked for.

Nothing is fetched but, for an unknown hub model, its configuration. Counts are counted or said to
be estimated; memory and time are predictions, compared with figures that others published and not
with measurements of our own (docs/plan.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from kotune.compare.efficiency import Price
from kotune.models import presets
from kotune.plan import assumptions, clock, counting, gpus, memory, shapes, work
from kotune.plan.clock import Schedule, Speed
from kotune.plan.counting import Counted
from kotune.plan.gpus import Gpu
from kotune.plan.memory import Memory, Method
from kotune.plan.shapes import Shape
from kotune.plan.work import Work
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.recipe.reading import load
from kotune.recipe.schema import Limit, Recipe
from kotune.score import batches
from kotune.score.model import BATCH_SIZE
from kotune.score.scoring import VARIANTS
from kotune.score.shared import on_device
from kotune.train import config as axolotl_config
from kotune.train.head import CHUNK

GIB = 2**30
# Axolotl's keys that change what is trained or kept, which the arithmetic here does not follow.
NOT_COUNTED = (
    "lora_modules_to_save",
    "lora_target_parameters",
    "peft_layers_to_transform",
    "peft_use_dora",
    "unfrozen_parameters",
)


SCORED = ("likelihood", "generation")
OLD = "no bf16 of its own"
SHORTEST = 64  # tokens of a sequence_len that is advised


@dataclass(frozen=True)
class Way:
    """How a run does it on a GPU with bf16 of its own, or on one without. `is_asked`: the recipe
    itself names the precision."""

    method: Method
    precision: Literal["bf16", "fp16", "fp32"]
    is_asked: bool


@dataclass(frozen=True)
class On:
    """The recipe on one GPU. `micro`: the largest micro-batch that fits, None where none does;
    `memory`: of the micro-batch that is used, the recipe's own where it fits, else the largest that
    does, else of one example; `base`: seconds of the base model's share of scoring; `answers`: of
    each task that is written, how many are at once."""

    gpu: Gpu
    micro: int | None
    used: int
    memory: Memory
    seconds: dict[str, float]
    base: float
    answers: dict[str, int]
    notes: list[str]

    @property
    def usable(self) -> float:
        """Bytes that may be planned with."""
        return self.gpu.memory * batches.USABLE

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Plan:
    """A recipe with its arithmetic and what it comes to on each GPU. `micro`: the recipe's own
    micro-batch; `ways`: on GPUs without bf16 of their own (True) and on others (False); `is_auto`:
    without gradient checkpointing where it is not needed."""

    recipe: Recipe
    name: str
    shape: Shape
    ways: Mapping[bool, Way]
    schedule: Schedule
    counted: Counted
    works: Sequence[Work]
    micro: int
    on: Sequence[On]
    notes: Sequence[str]
    is_auto: bool
    price: Price | None = None

    @property
    def method(self) -> Method:
        """That of a GPU with bf16 of its own."""
        return self.ways[False].method

    @property
    def fits(self) -> bool:
        """Whether it fits on any of them."""
        return any(one.micro for one in self.on)

    @property
    def advice(self) -> str:
        """What makes it fit where it does not: each of these does so alone."""
        asked = [one.gpu for one in self.on]
        tries = [told for told, plan in _levers(self) if any(_fits(plan, gpu, 1) for gpu in asked)]
        if shorter := _shorter(self, asked):
            drop = "" if self.schedule.packing else " with axolotl.excess_length_strategy=drop"
            tries.append(f"--set axolotl.sequence_len={shorter}{drop}")
        larger = [gpu.name for gpu in gpus.chosen(()) if _fits(self, gpu, 1)]
        tries += [f"a GPU with more memory ({', '.join(larger)})"] if larger else []
        return ", or ".join(tries) or "choose a smaller model"


def make(
    file: Path,
    overrides: tuple[str, ...],
    names: Sequence[str],
    price: Price | None = None,
    counted: Counted | None = None,
) -> Plan:
    """The plan of a recipe file for the GPUs of these names, or for all that are known. `counted`:
    what is known of its data."""
    asked, recipe = gpus.chosen(names), load(file, overrides)
    shape = shapes.find(recipe.model)
    counted = counted or counting.count(recipe)
    configs = _configs(recipe, counted.rows)
    config = configs[False]
    plan = Plan(
        recipe,
        file.stem,
        shape,
        {is_old: way_of(recipe, shape, told) for is_old, told in configs.items()},
        schedule_of(config, counted),
        counted,
        work.of_recipe(recipe, counted),
        int(config["micro_batch_size"]),
        (),
        [*_notes(config, counted), *work.not_scored(recipe)],
        axolotl_config.is_auto(recipe),
        price,
    )
    return replace(plan, on=[_on(plan, gpu) for gpu in asked])


def limited(plan: Plan, limit: Limit) -> Plan:
    """The same where each task is asked no more than run's --limit says."""
    shorter = replace(plan, works=[work.limited(one, limit) for one in plan.works])
    return replace(shorter, on=[_on(shorter, one.gpu) for one in plan.on])


def _configs(recipe: Recipe, rows: int) -> dict[bool, AxolotlConfig]:
    """Axolotl's configuration as a run makes it on a GPU without bf16 of its own (True) and on
    another (False)."""
    commit = shapes.commit(presets.find(recipe.model, recipe.template).base)
    return {
        is_old: axolotl_config.config(recipe, "cuda", commit, rows, is_old)
        for is_old in (False, True)
    }


def way_of(recipe: Recipe, shape: Shape, config: AxolotlConfig) -> Way:
    """How an Axolotl configuration of a recipe trains a model of this shape."""
    targets = config.get("lora_target_modules")
    names = (
        None
        if config.get("lora_target_linear") or not isinstance(targets, list)
        else tuple(map(str, targets))
    )
    r = int(config["lora_r"])
    precision: Literal["bf16", "fp16", "fp32"] = "fp32" if config.get("bf16") is False else "bf16"
    precision = "fp16" if config.get("fp16") else precision
    in_fp32 = precision == "fp32"
    bits = 4 if recipe.adapter == "qlora" else 32 if in_fp32 else 16
    method = Method(
        bits, shape.trainable(r, names), r, bool(config.get("gradient_checkpointing")), in_fp32
    )
    return Way(method, precision, bool({"bf16", "fp16"} & recipe.axolotl.keys()))


def schedule_of(config: AxolotlConfig, counted: Counted) -> Schedule:
    """How an Axolotl configuration trains on what was counted."""
    packing, length = bool(config.get("sample_packing")), int(config["sequence_len"])
    batch_size = int(config["micro_batch_size"]) * int(
        config.get("gradient_accumulation_steps") or 1
    )
    whole = clock.steps(
        counted, batch_size, float(config["num_epochs"]), length if packing else None
    )
    # More than an epoch has are taken from further ones.
    taken = int(config.get("max_steps") or whole)
    evaluations = (
        float(config["num_epochs"]) * taken / whole * float(config.get("evals_per_epoch") or 0)
    )
    if config.get("eval_strategy") not in ("no", False):
        evaluations = max(evaluations, 1.0)  # after the last step
    pad_to = int(config.get("pad_to_multiple_of") or memory.PAD_TO)
    return Schedule(batch_size, taken, packing, length, evaluations, pad_to)


def _notes(config: AxolotlConfig, counted: Counted) -> Sequence[str]:
    notes = [
        f"axolotl.{key} is not counted: more is trained or kept than stands here"
        for key in NOT_COUNTED
        if config.get(key)
    ]
    if not str(config.get("optimizer")).startswith("adamw_torch"):
        notes.append(
            f"axolotl.optimizer {config.get('optimizer')}: what AdamW keeps is counted, two fp32"
            " moments"
        )
    if counted.longest > int(config["sequence_len"]):
        word = "are about" if not counted.exact else "has"
        which = "the longest examples" if not counted.exact else "the longest example"
        notes.append(
            f"{which} {word} {counted.longest:,} tokens, more than sequence_len"
            f" {config['sequence_len']:,}: excess_length_strategy is"
            f" {config.get('excess_length_strategy') or 'drop'}"
        )
    return notes


def _on(plan: Plan, gpu: Gpu) -> On:
    lean = _with(plan, checkpointing=False)
    is_lean = plan.is_auto and _memory(lean, gpu, plan.micro).training <= gpu.memory * memory.LEAN
    plan = lean if is_lean else plan
    sizes = [
        size for size in (2**power for power in range(20)) if plan.schedule.batch_size % size == 0
    ]
    micro = max((size for size in sizes if _fits(plan, gpu, size)), default=None)
    used = plan.micro if _fits(plan, gpu, plan.micro) else micro or 1
    found, way = _memory(plan, gpu, used), plan.ways[gpu.is_old]
    notes = [
        *_precision_notes(gpu, way),
        *["without gradient checkpointing, which is not needed here"] * is_lean,
    ]
    if micro and used != plan.micro:
        notes.append(
            f"micro_batch_size {plan.micro} does not fit: --set axolotl.micro_batch_size={micro}"
        )
    is_slow = way.precision == "fp32" or (gpu.is_old and way.precision == "bf16")
    speed, free = (
        clock.speed_of(gpu, is_slow),
        gpu.memory * batches.USABLE - found.weights - found.adapter,
    )
    answers = {
        one.task: _at_once(plan, way, free, one.prompt, one.written)
        for one in plan.works
        if one.written
    }
    scoring = {
        variant: _scoring(plan, speed, way, found.weights, answers, variant) for variant in VARIANTS
    }
    seconds = {
        **_training(plan, speed, way, used),
        **{key: sum(one[key] for one in scoring.values()) for key in SCORED},
    }
    return On(gpu, micro, used, found, seconds, sum(scoring["base"].values()), answers, notes)


def _at_once(plan: Plan, way: Way, free: float, prompt: float, written: int) -> int:
    return batches.at_once(memory.sizes_of(plan.shape, way.method.in_fp32), free, prompt, written)


def _fits(plan: Plan, gpu: Gpu, micro: int) -> bool:
    return _memory(plan, gpu, micro).peak <= gpu.memory * batches.USABLE


def _memory(plan: Plan, gpu: Gpu, micro: int) -> Memory:
    way, longest = plan.ways[gpu.is_old], plan.schedule.row(plan.counted.longest)
    usable, read, tokens = gpu.memory * batches.USABLE, BATCH_SIZE, micro * longest
    headed = min(
        tokens,
        CHUNK,
        micro * (plan.counted.most or longest) if not plan.schedule.packing else tokens,
    )
    held = memory.peak(plan.shape, way.method, tokens, headed, _chosen(plan, way, read))
    while held.scoring > usable and read > 1:  # as scoring itself does where it runs out of memory
        read //= 2
        held = memory.peak(plan.shape, way.method, tokens, headed, _chosen(plan, way, read))
    stored = held.weights + held.adapter
    return replace(
        held, scoring=max(held.scoring, stored + round(_writing(plan, way, usable - stored)))
    )


def _chosen(plan: Plan, way: Way, batch_size: int) -> int:
    """Bytes of the largest batch of questions whose choices are scored."""
    longest = [one.longest for one in plan.works if one.choices]
    room = on_device("cuda", batch_size)
    return memory.chosen(plan.shape, way.method.in_fp32, room, max(longest)) if longest else 0


def _writing(plan: Plan, way: Way, free: float) -> float:
    """Bytes of the answers to each task's longest prompts that are written at once, of the task
    whose answers take most."""
    sizes = memory.sizes_of(plan.shape, way.method.in_fp32)
    tasks = [(one.longest, one.written) for one in plan.works if one.written]
    return max(
        (_at_once(plan, way, free, *task) * batches.of_answer(sizes, *task) for task in tasks),
        default=0,
    )


def _levers(plan: Plan) -> list[tuple[str, Plan]]:
    """Settings that lower memory, one and then both; those that are not set yet."""
    anew, small = "--set axolotl.gradient_checkpointing=true", "--set adapter=qlora"
    found = [(anew, _with(plan, checkpointing=True))] if not plan.method.checkpointing else []
    found += [(small, _with(plan, bits=4))] if plan.method.bits > 4 else []
    return (
        [*found, (f"{anew} {small}", _with(plan, checkpointing=True, bits=4))]
        if len(found) == 2
        else found
    )


def _with(plan: Plan, **changes: Any) -> Plan:
    """The same with another method."""
    ways = {
        age: replace(way, method=replace(way.method, **changes)) for age, way in plan.ways.items()
    }
    return replace(plan, ways=ways)


def _shorter(plan: Plan, asked: Sequence[Gpu]) -> int:
    """The first half, quarter, ... of sequence_len with which one example fits on one of these
    GPUs; 0 where none does."""
    length = plan.schedule.sequence_len // 2
    while length >= SHORTEST:
        shorter = replace(plan, schedule=replace(plan.schedule, sequence_len=length))
        if any(_fits(shorter, gpu, 1) for gpu in asked):
            return length
        length //= 2
    return 0


def _precision_notes(gpu: Gpu, way: Way) -> list[str]:
    """What is to be said about the precision on a GPU."""
    if not gpu.is_old or way.is_asked:
        if way.precision == "fp32":
            return [
                "trains in fp32: twice the weights and activations of 16 bits, and no tensor cores"
            ]
        if gpu.is_old and way.precision == "bf16":
            return [
                f"{OLD}: the bf16 that the recipe asks for is imitated, at no more than fp32's"
                " speed; leave it to the run"
            ]
        return []
    if way.precision == "fp32":
        return [
            f"{OLD}, and this model's numbers are too large for fp16: trains and scores in fp32,"
            " without tensor cores"
        ]
    return [f"{OLD}: trains and scores in fp16, whose small range may overflow"]


def _training(plan: Plan, speed: Speed, way: Way, micro: int) -> dict[str, float]:
    return {
        "download": (
            0.0 if _is_local(plan.recipe) else 2 * plan.shape.parameters / assumptions.DOWNLOAD
        ),
        "start_up": assumptions.START_UP,
        "training": clock.training(
            plan.shape, speed, way.method, plan.schedule, plan.counted, micro
        ),
    }


def _scoring(
    plan: Plan, speed: Speed, way: Way, stored: int, answers: Mapping[str, int], variant: str
) -> dict[str, float]:
    """Seconds of a variant's scoring. A token reads the weights; those in 4 bits are read, written
    out in 16, and read again."""
    weights = stored + (4 * plan.shape.in_linears if way.method.bits == 4 else 0)
    written = [(one, answers[one.task]) for one in plan.works if one.written]
    return {
        "likelihood": clock.likelihood(plan.shape, speed, plan.works, variant),
        "generation": clock.generation(plan.shape, speed, weights, written, variant),
    }


def _is_local(recipe: Recipe) -> bool:
    return presets.is_folder(presets.find(recipe.model, recipe.template).base)
