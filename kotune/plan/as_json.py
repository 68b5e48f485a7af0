"""A plan as JSON, as `plan --json` prints it."""

from dataclasses import asdict

from kotune.compare.efficiency import Price, cost
from kotune.display.json_rows import JsonRow
from kotune.models.notes import notes as notes_of_model
from kotune.plan.plan import GpuPlan, Plan


def as_json(plan: Plan) -> JsonRow:
    """`plan` as a dict that json.dumps accepts. Memory is in bytes and time in seconds. `seconds`
    and `total_seconds` are those of one seed, `cost` is that of all seeds. Costs are in won, and in
    dollars if an exchange rate is given. `measured` is always False."""
    counted, shape = plan.counted, plan.shape
    return {
        "recipe": plan.name,
        "model": plan.recipe.model,
        "adapter": plan.recipe.adapter,
        "measured": False,
        "tokens": {
            "exact": counted.exact,
            "why": counted.why,
            "rows": counted.rows,
            "validation_rows": counted.validation,
            "epoch": counted.tokens,
            "mean": round(counted.mean, 2),
            "longest": counted.longest,
        },
        "parameters": shape.parameters,
        "trainable_parameters": plan.method.trainable,
        "batch_size": plan.schedule.batch_size,
        "micro_batch_size": plan.micro,
        "steps": plan.schedule.steps,
        "seeds": plan.seeds,
        "fits": plan.fits,
        "advice": None if plan.fits else plan.advice,
        "notes": [*plan.notes, *notes_of_model(plan.recipe.model)],
        "tasks": [asdict(work) for work in plan.works],
        "gpus": {
            gpu_plan.gpu.name: _gpu_json(
                gpu_plan, plan.modes[gpu_plan.gpu.is_old].precision, plan.price, plan.seeds
            )
            for gpu_plan in plan.gpu_plans
        },
    }


def _gpu_json(plan: GpuPlan, precision: str, price: Price | None, seeds: int) -> JsonRow:
    price_paid = cost(plan.total_of(seeds), price)
    memory = plan.memory
    return {
        "fits": plan.micro is not None,
        "micro_batch_size_that_fits": plan.micro,
        "micro_batch_size": plan.used,
        "memory": {**asdict(memory), "training": memory.training, "peak": memory.peak},
        "usable": round(plan.usable),
        "precision": precision,
        "answers_at_once": plan.answers,
        "seconds": {name: round(value, 2) for name, value in plan.seconds.items()},
        "total_seconds": round(plan.total, 2),
        "total_seconds_of_all_seeds": round(plan.total_of(seeds), 2),
        "cost": price_paid._asdict() if price_paid else None,
        "notes": plan.notes,
        "source": plan.gpu.source,
    }
