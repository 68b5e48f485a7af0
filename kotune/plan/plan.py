"""What a recipe will take before anything is paid for: tokens, steps, memory by part, time and money on each GPU asked for.

Nothing is fetched but, for an unknown hub model, its configuration. Counts are counted or said to be estimated; memory and
time are predictions, and no GPU has confirmed one of them (docs/plan.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kotune.compare.efficiency import Price
from kotune.models import presets
from kotune.plan import assumptions, clock, counting, gpus, memory, shapes, work
from kotune.plan.clock import Schedule
from kotune.plan.counting import Counted
from kotune.plan.gpus import Gpu
from kotune.plan.memory import Memory, Method
from kotune.plan.shapes import Shape
from kotune.plan.work import Work
from kotune.recipe.reading import load
from kotune.recipe.schema import Limit, Recipe
from kotune.score.model import BATCH_SIZE
from kotune.score.scoring import VARIANTS
from kotune.score.shared import on_device
from kotune.train import config as axolotl_config

GIB = 2**30
# Axolotl's keys that change what is trained or kept, which the arithmetic here does not follow.
NOT_COUNTED = (
    "lora_modules_to_save", "lora_target_parameters", "peft_layers_to_transform", "peft_use_dora", "unfrozen_parameters",
)  # fmt: skip


@dataclass(frozen=True)
class On:
    """The recipe on one GPU. `micro`: the largest micro-batch that fits, None where none does; `memory`: of the micro-batch
    that is used, the recipe's own where it fits, else the largest that does, else of one example."""

    gpu: Gpu
    micro: int | None
    used: int
    memory: Memory
    seconds: dict[str, float]
    notes: list[str]

    @property
    def usable(self) -> float:
        """Bytes that may be planned with."""
        return self.gpu.memory * memory.USABLE

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def base(self) -> float:
        """Seconds of the base model's share of scoring."""
        return (self.seconds["likelihood"] + self.seconds["generation"]) / len(VARIANTS)


@dataclass(frozen=True)
class Plan:
    """A recipe with its arithmetic and what it comes to on each GPU. `micro`: the recipe's own micro-batch."""

    recipe: Recipe
    name: str
    shape: Shape
    method: Method
    schedule: Schedule
    counted: Counted
    works: Sequence[Work]
    micro: int
    on: Sequence[On]
    notes: Sequence[str]
    price: Price | None = None

    @property
    def fits(self) -> bool:
        """Whether it fits on any of them."""
        return any(one.micro for one in self.on)

    @property
    def advice(self) -> str:
        """What makes it fit where it does not: each of these does so alone."""
        most = max(one.usable for one in self.on)
        tries = [told for told, method in _levers(self.method) if _memory(replace(self, method=method), 1).peak <= most]
        if shorter := _shorter(self, most):
            drop = "" if self.schedule.packing else " with axolotl.excess_length_strategy=drop"
            tries.append(f"--set axolotl.sequence_len={shorter}{drop}")
        larger = [gpu.name for gpu in gpus.chosen(()) if _memory(self, 1).peak <= gpu.memory * memory.USABLE]
        tries += [f"a GPU with more memory ({', '.join(larger)})"] if larger else []
        return ", or ".join(tries) or "choose a smaller model"


def make(
    file: Path,
    overrides: tuple[str, ...],
    names: Sequence[str],
    price: Price | None = None,
    counted: Counted | None = None,
) -> Plan:
    """The plan of a recipe file for the GPUs of these names, or for all that are known. `counted`: what is known of its data."""
    asked, recipe = gpus.chosen(names), load(file, overrides)
    shape = shapes.find(recipe.model)
    counted = counted or counting.count(recipe)
    config = axolotl_config.config(recipe, "cuda", rows=counted.rows)
    plan = Plan(
        recipe, file.stem, shape, _method(recipe, shape, config), _schedule(config, counted), counted,
        work.of_recipe(recipe, counted), int(config["micro_batch_size"]), (),
        [*_notes(config, counted), *work.not_scored(recipe)], price,
    )  # fmt: skip
    return replace(plan, on=[_on(plan, gpu, config) for gpu in asked])


def limited(plan: Plan, limit: Limit) -> Plan:
    """The same where each task is asked no more than run's --limit says."""
    config = axolotl_config.config(plan.recipe, "cuda")
    shorter = replace(plan, works=[work.limited(one, limit) for one in plan.works])
    return replace(shorter, on=[_on(shorter, one.gpu, config) for one in plan.on])


def _method(recipe: Recipe, shape: Shape, config: dict[str, Any]) -> Method:
    targets = config.get("lora_target_modules")
    names = None if config.get("lora_target_linear") or not isinstance(targets, list) else tuple(map(str, targets))
    r = int(config["lora_r"])
    bits = 4 if recipe.adapter == "qlora" else 32 if _in_fp32(config) else 16
    return Method(bits, shape.trainable(r, names), r, bool(config.get("gradient_checkpointing")))


def _schedule(config: dict[str, Any], counted: Counted) -> Schedule:
    packing, length = bool(config.get("sample_packing")), int(config["sequence_len"])
    batch_size = int(config["micro_batch_size"]) * int(config.get("gradient_accumulation_steps") or 1)
    whole = clock.steps(counted, batch_size, float(config["num_epochs"]), length if packing else None)
    taken = int(config.get("max_steps") or whole)  # more than an epoch has are taken from further ones
    evaluations = float(config["num_epochs"]) * taken / whole * float(config.get("evals_per_epoch") or 0)
    if config.get("eval_strategy") not in ("no", False):
        evaluations = max(evaluations, 1.0)  # after the last step
    return Schedule(batch_size, taken, packing, length, evaluations)


def _notes(config: dict[str, Any], counted: Counted) -> Sequence[str]:
    notes = [
        f"axolotl.{key} is not counted: more is trained or kept than stands here"
        for key in NOT_COUNTED
        if config.get(key)
    ]
    if not str(config.get("optimizer")).startswith("adamw_torch"):
        notes.append(f"axolotl.optimizer {config.get('optimizer')}: what AdamW keeps is counted, two fp32 moments")
    if counted.longest > int(config["sequence_len"]):
        word = "are about" if not counted.exact else "has"
        which = "the longest examples" if not counted.exact else "the longest example"
        notes.append(
            f"{which} {word} {counted.longest:,} tokens, more than sequence_len {config['sequence_len']:,}: "
            f"excess_length_strategy is {config.get('excess_length_strategy') or 'drop'}"
        )
    return notes


def _on(plan: Plan, gpu: Gpu, config: dict[str, Any]) -> On:
    sizes = [size for size in (2**power for power in range(20)) if plan.schedule.batch_size % size == 0]
    usable = gpu.memory * memory.USABLE
    micro = max((size for size in sizes if _memory(plan, size).peak <= usable), default=None)
    used = plan.micro if _memory(plan, plan.micro).peak <= usable else micro or 1
    found, (tflops, notes) = _memory(plan, used), _speed(gpu, config)
    if micro and used != plan.micro:
        notes.append(f"micro_batch_size {plan.micro} does not fit: --set axolotl.micro_batch_size={micro}")
    return On(gpu, micro, used, found, _seconds(plan, gpu, tflops, (used, found.weights)), notes)


def _memory(plan: Plan, micro: int) -> Memory:
    limit = plan.schedule.sequence_len
    longest = limit if plan.schedule.packing else memory.padded(min(plan.counted.longest, limit))
    chosen = max((one.longest for one in plan.works if one.choices), default=0)
    room = on_device("cuda", BATCH_SIZE)
    scored = memory.chosen(plan.shape, plan.method.bits, room, chosen) if chosen else 0
    held = memory.peak(plan.shape, plan.method, micro * longest, scored)
    cache = max(
        (clock.cache_bytes(plan.shape, one.longest + one.written) for one in plan.works if one.written), default=0
    )
    scoring = max(held.scoring, held.weights + held.adapter + cache)
    return replace(held, scoring=scoring)


def _levers(method: Method) -> list[tuple[str, Method]]:
    """Settings that lower memory, one and then both; those that are not set yet."""
    anew, small = "--set axolotl.gradient_checkpointing=true", "--set adapter=qlora"
    found = [(anew, replace(method, checkpointing=True))] if not method.checkpointing else []
    found += [(small, replace(method, bits=4))] if method.bits > 4 else []
    return [*found, (f"{anew} {small}", replace(method, checkpointing=True, bits=4))] if len(found) == 2 else found


def _shorter(plan: Plan, most: float) -> int:
    """The first half, quarter, ... of sequence_len with which one example fits into so many bytes; 0 where none does."""
    length = plan.schedule.sequence_len // 2
    while length >= memory.PAD_TO:
        if _memory(replace(plan, schedule=replace(plan.schedule, sequence_len=length)), 1).peak <= most:
            return length
        length //= 2
    return 0


def _in_fp32(config: dict[str, Any]) -> bool:
    return config.get("bf16") is False and not config.get("fp16")


def _speed(gpu: Gpu, config: dict[str, Any]) -> tuple[float, list[str]]:
    """The TFLOPS that the recipe's precision can reach on a GPU, and what is to be said about it."""
    if config.get("bf16") is False and not config.get("fp16"):
        return gpu.tflops_fp32, ["trains in fp32: twice the weights and activations of 16 bits, and no tensor cores"]
    if gpu.bf16 or config.get("fp16"):
        return gpu.tflops, []
    told = (
        "no bf16 in its tensor cores and no flash attention 2: torch would imitate bf16 at no more than fp32's speed, which is "
        "counted here; train in fp16 with --set axolotl.bf16=false --set axolotl.fp16=true, whose small range may overflow"
    )
    return gpu.tflops_fp32, [told]


def _seconds(plan: Plan, gpu: Gpu, tflops: float, used: tuple[int, int]) -> dict[str, float]:
    micro, stored = used
    schedule, shape = plan.schedule, plan.shape
    if schedule.packing:
        step = schedule.batch_size * float(schedule.sequence_len)
    else:
        step = schedule.batch_size / micro * clock.batch_tokens(plan.counted, micro)
    # Validation is read forward only: a third of what a training token costs, or half of it without checkpointing.
    forward = (
        plan.counted.validation / schedule.batch_size * schedule.evaluations / (3 if plan.method.checkpointing else 2)
    )
    trained = step * (schedule.steps + forward)
    return {
        "download": 0.0 if _is_local(plan.recipe) else 2 * shape.parameters / assumptions.DOWNLOAD,
        "start_up": assumptions.START_UP,
        "training": clock.training(shape, tflops, trained, plan.method.checkpointing),
        "likelihood": clock.likelihood(shape, tflops, plan.works),
        "generation": clock.generation(shape, gpu, _read(plan, stored), plan.works),
    }


def _read(plan: Plan, stored: int) -> int:
    """Bytes that one token needs of the weights: those in 4 bits are read, written out in 16, and read again."""
    return stored + (4 * plan.shape.in_linears if plan.method.bits == 4 else 0)


def _is_local(recipe: Recipe) -> bool:
    return presets.is_folder(presets.find(recipe.model, recipe.template).base)
