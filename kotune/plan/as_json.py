"""A plan for a machine: what --json prints."""

from dataclasses import asdict

from kotune.compare.comparison import JsonRow
from kotune.compare.efficiency import Price, cost
from kotune.plan.plan import On, Plan


def as_json(plan: Plan) -> JsonRow:
    """All of it for a machine: bytes, seconds, won."""
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
        "fits": plan.fits,
        "advice": None if plan.fits else plan.advice,
        "notes": list(plan.notes),
        "tasks": [asdict(one) for one in plan.works],
        "gpus": {
            one.gpu.name: _gpu_json(one, plan.ways[one.gpu.is_old].precision, plan.price)
            for one in plan.on
        },
    }


def _gpu_json(one: On, precision: str, price: Price | None) -> JsonRow:
    spent = cost(one.total, price)
    return {
        "fits": one.micro is not None,
        "micro_batch_size_that_fits": one.micro,
        "micro_batch_size": one.used,
        "memory": {**asdict(one.memory), "training": one.memory.training, "peak": one.memory.peak},
        "usable": round(one.usable),
        "precision": precision,
        "answers_at_once": one.answers,
        "seconds": {name: round(value, 2) for name, value in one.seconds.items()},
        "total_seconds": round(one.total, 2),
        "cost": spent._asdict() if spent else None,
        "notes": one.notes,
        "source": one.gpu.source,
    }
