"""What a run shows to services outside it: nothing, unless the recipe's `axolotl:` block asks for
one, and then it is said aloud.

Axolotl's own keys switch them on: `use_<service>: true`, or a project's name alone, which Axolotl
takes for the same."""

import os

from kotune.recipe.axolotl_keys import AxolotlConfig

NAMED = {  # the key whose value switches a service on, with use_<service> or without
    "wandb": "wandb_project",
    "mlflow": "mlflow_experiment_name",
    "comet": "comet_project_name",
    "trackio": "trackio_project_name",
    "tensorboard": "",
}
SENDS = "this run sends its metrics to {}"
KEEPS = "this run keeps its metrics for {} on this machine"
# Of the environment: where trackio would send to.
SPACES = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


def lines(block: AxolotlConfig) -> list[str]:
    """A line for each service that an `axolotl:` block switches on."""
    return [
        _line(service, block)
        for service, name in NAMED.items()
        if block.get(f"use_{service}") or block.get(name)
    ]


def _line(service: str, block: AxolotlConfig) -> str:
    if service == "wandb":
        mode = block.get("wandb_mode") or os.environ.get("WANDB_MODE")
        return (KEEPS if mode in ("offline", "disabled") else SENDS).format("W&B")
    if service == "trackio":
        place = next((os.environ[name] for name in SPACES if os.environ.get(name)), None)
        return SENDS.format(f"trackio at {place}") if place else KEEPS.format("trackio")
    if service == "mlflow":
        place = os.environ.get("MLFLOW_TRACKING_URI")  # the one place: a recipe may not name it
        return SENDS.format(f"MLflow at {place}") if place else KEEPS.format("MLflow")
    return SENDS.format("Comet") if service == "comet" else KEEPS.format("TensorBoard")
