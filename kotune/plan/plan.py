"""Predicts what a recipe needs before it is run: tokens, steps, memory by part, time and cost on
each GPU.

Nothing is downloaded, except the configuration of a hub model that is not in the cache. Counts of
tokens are exact or marked as estimates. Memory and time are always predictions. They were compared
with published figures, not with measurements of kotune (docs/plan.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from kodata.errors import Translatable
from kotune.compare.efficiency import Price
from kotune.models import presets
from kotune.plan import assumptions, clock, counting, gpus, memory, notes, shapes, work
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
from kotune.score.likelihood.reading import limits
from kotune.score.model import BATCH_SIZE
from kotune.score.scoring import VARIANTS
from kotune.train import config as axolotl_config
from kotune.train.head import CHUNK

GIB = 2**30
SCORED = ("likelihood", "generation")  # the parts of scoring in GpuPlan.seconds
SHORTEST = 64  # the smallest sequence_len that is suggested


@dataclass(frozen=True)
class Mode:
    """The method and precision of training on one kind of GPU. There are two kinds: GPUs with
    native bf16 and GPUs without it. `is_explicit`: whether the recipe sets the precision."""

    method: Method
    precision: Literal["bf16", "fp16", "fp32"]
    is_explicit: bool


@dataclass(frozen=True)
class GpuPlan:
    """The prediction for one GPU.

    - `micro`: the largest micro-batch that fits; None if none fits
    - `used`: the recipe's micro-batch if it fits, otherwise `micro`, or 1 if `micro` is None
    - `memory`: bytes of each part with the micro-batch `used`
    - `seconds`: seconds of each part of a run with the micro-batch `used`, such as `training`
    - `base`: seconds of scoring the base model; also included in `seconds`
    - `answers`: for each generation task, how many answers are generated at once"""

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
        """The bytes of the GPU's memory that are assumed to be usable."""
        return self.gpu.memory * batches.USABLE

    @property
    def total(self) -> float:
        """The seconds of a whole run with one seed."""
        return sum(self.seconds.values())

    def total_of(self, seeds: int) -> float:
        """The seconds of a run with this many seeds. The model is downloaded once, and the base
        model is scored once."""
        return self.total + (seeds - 1) * (self.total - self.seconds["download"] - self.base)


@dataclass(frozen=True)
class Plan:
    """The prediction for a recipe.

    - `name`: the name of the recipe's file, without extension
    - `modes`: the mode for GPUs without native bf16 (True) and for other GPUs (False)
    - `works`: the work of each scored task
    - `micro`: the recipe's micro-batch
    - `gpu_plans`: one prediction per GPU
    - `is_auto`: whether a run switches gradient checkpointing off if memory allows
    - `price`: the price of a machine hour; None if none is given
    - `seeds`: how many seeds a run trains"""

    recipe: Recipe
    name: str
    shape: Shape
    modes: Mapping[bool, Mode]
    schedule: Schedule
    counted: Counted
    works: Sequence[Work]
    micro: int
    gpu_plans: Sequence[GpuPlan]
    notes: Sequence[str]
    is_auto: bool
    price: Price | None = None
    seeds: int = 1

    @property
    def method(self) -> Method:
        """The method on a GPU with native bf16."""
        return self.modes[False].method

    @property
    def fits(self) -> bool:
        """Whether the recipe fits on any of the GPUs."""
        return any(gpu_plan.micro for gpu_plan in self.gpu_plans)

    @property
    def advice(self) -> Translatable:
        """Changes to the recipe or the GPU as one text, joined by `or`. Each change alone makes the
        recipe fit on one of the GPUs."""
        chosen = [gpu_plan.gpu for gpu_plan in self.gpu_plans]
        changes = [
            text
            for text, plan in _smaller_plans(self)
            if any(_fits(plan, gpu, 1) for gpu in chosen)
        ]
        if shorter := _shorter(self, chosen):
            changes.append(
                f"--set axolotl.sequence_len={shorter}"
                if self.schedule.packing
                else Translatable(
                    "--set axolotl.sequence_len={shorter} with axolotl.excess_length_strategy=drop",
                    shorter=shorter,
                )
            )
        larger = [gpu.name for gpu in gpus.select(()) if _fits(self, gpu, 1)]
        if larger:
            names = ", ".join(larger)
            changes.append(Translatable("a GPU with more memory ({names})", names=names))
        advice = changes.pop() if changes else Translatable("choose a smaller model")
        for change in reversed(changes):
            advice = Translatable("{first}, or {other}", first=change, other=advice)
        return Translatable("{advice}", advice=advice)


def make(
    file: Path,
    overrides: tuple[str, ...],
    names: Sequence[str],
    price: Price | None = None,
    counted: Counted | None = None,
    seeds: int | None = None,
) -> Plan:
    """The plan of a recipe file.

    `overrides`: the values of --set. `names`: the GPUs; empty for all known ones. `counted`: the
    counts of the recipe's data; None to count them here. `seeds`: the number of seeds; None for
    those of the recipe. Raises RecipeError for an invalid recipe,
    an unknown GPU, or a model whose size cannot be computed. Raises DataError or KotuneError for
    unusable data, and HubError or HubDeniedError if a model's config.json cannot be downloaded."""
    chosen, recipe = gpus.select(names), load(file, overrides)
    number = len(recipe.all_seeds(seeds))
    shape = shapes.find(recipe.model)
    counted = counted or counting.count(recipe)
    configs = _configs(recipe, counted.rows)
    config = configs[False]
    plan = Plan(
        recipe,
        file.stem,
        shape,
        {is_old: mode_of(recipe, shape, keys) for is_old, keys in configs.items()},
        schedule_of(config, counted),
        counted,
        work.of_recipe(recipe, counted),
        int(config["micro_batch_size"]),
        (),
        [*notes.of_settings(config, counted), *work.notes(recipe)],
        axolotl_config.is_auto(recipe),
        price,
        number,
    )
    return replace(plan, gpu_plans=[_gpu_plan(plan, gpu) for gpu in chosen])


def limited(plan: Plan, limit: Limit) -> Plan:
    """The plan of a run in which each task has at most `limit` items, as with --limit."""
    shorter = replace(plan, works=[work.limited(task, limit) for task in plan.works])
    chosen = [gpu_plan.gpu for gpu_plan in plan.gpu_plans]
    return replace(shorter, gpu_plans=[_gpu_plan(shorter, gpu) for gpu in chosen])


def _configs(recipe: Recipe, rows: int) -> dict[bool, AxolotlConfig]:
    """The Axolotl configuration for GPUs without native bf16 (True) and for other GPUs (False).
    `rows`: the number of training rows."""
    commit = shapes.commit(presets.find(recipe.model, recipe.template).base)
    return {
        is_old: axolotl_config.config(recipe, "cuda", commit, rows, is_old)
        for is_old in (False, True)
    }


def mode_of(recipe: Recipe, shape: Shape, config: AxolotlConfig) -> Mode:
    """The mode of a recipe on the kind of GPU for which `config` was made. `shape`: the shape of
    the recipe's model; `config`: the Axolotl configuration of the recipe."""
    targets = None if config.get("lora_target_linear") else config.get("lora_target_modules")
    names = tuple(map(str, targets)) if isinstance(targets, list) else None
    r = int(config["lora_r"])
    precision: Literal["bf16", "fp16", "fp32"] = "fp32" if config.get("bf16") is False else "bf16"
    precision = "fp16" if config.get("fp16") else precision
    in_fp32 = precision == "fp32"
    bits = 4 if recipe.adapter == "qlora" else 32 if in_fp32 else 16
    method = Method(
        bits, shape.trainable(r, names), r, bool(config.get("gradient_checkpointing")), in_fp32
    )
    return Mode(method, precision, bool({"bf16", "fp16"} & recipe.axolotl.keys()))


def schedule_of(config: AxolotlConfig, counted: Counted) -> Schedule:
    """The training schedule of an Axolotl configuration. `counted`: the counts of its data."""
    packing, length = bool(config.get("sample_packing")), int(config["sequence_len"])
    accumulation = int(config.get("gradient_accumulation_steps") or 1)
    batch_size = int(config["micro_batch_size"]) * accumulation
    epochs = float(config["num_epochs"])
    all_steps = clock.steps(counted, batch_size, epochs, length if packing else None)
    # max_steps replaces the number of epochs. It may be larger than all_steps.
    steps = int(config.get("max_steps") or all_steps)
    evaluations = epochs * steps / all_steps * float(config.get("evals_per_epoch") or 0)
    if config.get("eval_strategy") not in ("no", False):
        evaluations = max(evaluations, 1.0)  # kotune's plugin also evaluates after the last step
    pad_to = int(config.get("pad_to_multiple_of") or memory.PAD_TO)
    return Schedule(batch_size, steps, packing, length, evaluations, pad_to)


def _gpu_plan(plan: Plan, gpu: Gpu) -> GpuPlan:
    """The prediction for one GPU. `plan.gpu_plans` is not used."""
    lean = _with(plan, checkpointing=False)
    is_lean = plan.is_auto and _memory(lean, gpu, plan.micro).training <= gpu.memory * memory.LEAN
    plan = lean if is_lean else plan
    sizes = [2**power for power in range(20) if plan.schedule.batch_size % 2**power == 0]
    micro = max((size for size in sizes if _fits(plan, gpu, size)), default=None)
    used = plan.micro if _fits(plan, gpu, plan.micro) else micro or 1
    mode = plan.modes[gpu.is_old]
    gpu_notes = notes.of_precision(gpu, mode)
    if is_lean:
        gpu_notes.append(Translatable("without gradient checkpointing, which is not needed here"))
    if micro and used != plan.micro:
        gpu_notes.append(
            Translatable(
                "micro_batch_size {planned} does not fit: --set axolotl.micro_batch_size={micro}",
                planned=plan.micro,
                micro=micro,
            )
        )
    predicted = _memory(plan, gpu, used)
    is_slow = mode.precision == "fp32" or (gpu.is_old and mode.precision == "bf16")
    speed = clock.speed_of(gpu, is_slow)
    free = gpu.memory * batches.USABLE - predicted.weights - predicted.adapter
    answers = _answers(plan, mode, free)
    scoring = {
        variant: _scoring(plan, speed, mode, predicted.weights, answers, variant)
        for variant in VARIANTS
    }
    seconds = _training(plan, speed, mode, used)
    shots = replace(plan, works=work.with_examples(plan.works, plan.recipe, plan.counted))
    few_shot = _scoring(
        shots, speed, mode, predicted.weights, _answers(shots, mode, free), VARIANTS[0]
    )
    every = (*scoring.values(), few_shot)
    seconds |= {key: sum(scored[key] for scored in every) for key in SCORED}
    base = sum(scoring["base"].values())
    return GpuPlan(gpu, micro, used, predicted, seconds, base, answers, gpu_notes)


def _answers(plan: Plan, mode: Mode, free: float) -> dict[str, int]:
    """For each generation task, how many answers are generated at once in `free` bytes."""
    return {
        task.task: _at_once(plan, mode, free, task.prompt, task.written)
        for task in plan.works
        if task.written
    }


def _at_once(plan: Plan, mode: Mode, free: float, prompt: float, written: int) -> int:
    return batches.at_once(memory.sizes_of(plan.shape, mode.method.in_fp32), free, prompt, written)


def _fits(plan: Plan, gpu: Gpu, micro: int) -> bool:
    """Whether training with micro-batches of this size, and scoring, fit on a GPU."""
    return _memory(plan, gpu, micro).peak <= gpu.memory * batches.USABLE


def _memory(plan: Plan, gpu: Gpu, micro: int) -> Memory:
    """Bytes of each part on a GPU, with micro-batches of `micro` examples or packed rows. If a
    batch in scoring does not fit, its size is halved, as in a run."""
    mode, longest = plan.modes[gpu.is_old], plan.schedule.row(plan.counted.longest)
    usable, batch_size, tokens = gpu.memory * batches.USABLE, BATCH_SIZE, micro * longest
    # Logits are computed only for trained tokens, and for at most CHUNK of them at a time.
    headed = min(
        tokens,
        CHUNK,
        micro * (plan.counted.most or longest) if not plan.schedule.packing else tokens,
    )
    scored = _choice_bytes(plan, mode, batch_size)
    needed = memory.peak(plan.shape, mode.method, tokens, headed, scored)
    while needed.scoring > usable and batch_size > 1:
        batch_size //= 2
        scored = _choice_bytes(plan, mode, batch_size)
        needed = memory.peak(plan.shape, mode.method, tokens, headed, scored)
    stored = needed.weights + needed.adapter
    generation = stored + round(_answer_bytes(plan, mode, usable - stored))
    return replace(needed, scoring=max(needed.scoring, generation))


def _all_works(plan: Plan) -> Sequence[Work]:
    """The work of scoring, also that of the base model with examples in its prompt."""
    return (*plan.works, *work.with_examples(plan.works, plan.recipe, plan.counted))


def _choice_bytes(plan: Plan, mode: Mode, batch_size: int) -> int:
    """Bytes of the largest batch of questions whose choices are scored, without the weights. 0 if
    no task has choices."""
    longest = [task.longest for task in _all_works(plan) if task.choices]
    room = limits("cuda", batch_size)
    return memory.of_choices(plan.shape, mode.method.in_fp32, room, max(longest)) if longest else 0


def _answer_bytes(plan: Plan, mode: Mode, free: float) -> float:
    """Bytes of the answers that are generated at once in `free` bytes, for the task that needs the
    most memory. All prompts of a task are assumed to have the length of its longest prompt."""
    sizes = memory.sizes_of(plan.shape, mode.method.in_fp32)
    tasks = [(task.longest, task.written) for task in _all_works(plan) if task.written]
    return max(
        (_at_once(plan, mode, free, *task) * batches.of_answer(sizes, *task) for task in tasks),
        default=0,
    )


def _smaller_plans(plan: Plan) -> list[tuple[str, Plan]]:
    """The options that lower memory and are not set yet, each with the resulting plan. They are
    gradient checkpointing, QLoRA, and both together."""
    recompute, quantize = "--set axolotl.gradient_checkpointing=true", "--set adapter=qlora"
    smaller = []
    if not plan.method.checkpointing:
        smaller.append((recompute, _with(plan, checkpointing=True)))
    if plan.method.bits > 4:
        smaller.append((quantize, _with(plan, bits=4)))
    if len(smaller) == 2:
        smaller.append((f"{recompute} {quantize}", _with(plan, checkpointing=True, bits=4)))
    return smaller


def _with(plan: Plan, **changes: Any) -> Plan:
    """The plan with other fields of Method in both modes. `gpu_plans` is not computed again."""
    modes = {
        is_old: replace(mode, method=replace(mode.method, **changes))
        for is_old, mode in plan.modes.items()
    }
    return replace(plan, modes=modes)


def _shorter(plan: Plan, chosen: Sequence[Gpu]) -> int:
    """The largest sequence_len with which a micro-batch of one example fits on one of the GPUs in
    `chosen`. Half of the recipe's sequence_len is tried, then a quarter, and so on, down to
    SHORTEST. 0 if none of them fits."""
    length = plan.schedule.sequence_len // 2
    while length >= SHORTEST:
        shorter = replace(plan, schedule=replace(plan.schedule, sequence_len=length))
        if any(_fits(shorter, gpu, 1) for gpu in chosen):
            return length
        length //= 2
    return 0


def _training(plan: Plan, speed: Speed, mode: Mode, micro: int) -> dict[str, float]:
    """Seconds of the download, the start-up and the training. A local model is not downloaded. A
    hub model has two bytes per parameter."""
    is_local = presets.is_folder(presets.find(plan.recipe.model, plan.recipe.template).base)
    return {
        "download": 0.0 if is_local else 2 * plan.shape.parameters / assumptions.DOWNLOAD,
        "start_up": assumptions.START_UP,
        "training": clock.training(
            plan.shape, speed, mode.method, plan.schedule, plan.counted, micro
        ),
    }


def _scoring(
    plan: Plan, speed: Speed, mode: Mode, stored: int, answers: Mapping[str, int], variant: str
) -> dict[str, float]:
    """Seconds of the two parts of scoring (SCORED) for one variant. `stored`: bytes of the stored
    weights; `answers`: for each generation task, how many answers are generated at once."""
    # All weights are read for each generated token. 4-bit weights are then written in 16 bits and
    # read again, which is 2 + 2 bytes per weight.
    weights = stored + (4 * plan.shape.in_linears if mode.method.bits == 4 else 0)
    written = [(task, answers[task.task]) for task in plan.works if task.written]
    return {
        "likelihood": clock.likelihood(plan.shape, speed, plan.works, variant),
        "generation": clock.generation(plan.shape, speed, weights, written, variant),
    }
