"""Experiment trackers. A run sends data to a tracker only if the recipe's `axolotl:` block switches
it on. The run then prints a line about it.

A tracker is switched on by Axolotl's keys: by `use_<service>: true`, or just by the name of a
project."""

import os

from kotune.recipe.axolotl_keys import AxolotlConfig

NAMED = {  # keys of project names; they switch a service on even without use_<service>
    "wandb": "wandb_project",
    "mlflow": "mlflow_experiment_name",
    "comet": "comet_project_name",
    "trackio": "trackio_project_name",
    "tensorboard": "",
}
SENDS = "this run sends its metrics to {}"
KEEPS = "this run keeps its metrics for {} on this machine"
SPACES = (  # environment variables that set trackio's destination
    "TRACKIO_SPACE_ID",
    "TRACKIO_SERVER_URL",
)


def lines(block: AxolotlConfig) -> list[str]:
    """One line for each service that an `axolotl:` block switches on."""
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
        space = next((os.environ[name] for name in SPACES if os.environ.get(name)), None)
        return SENDS.format(f"trackio at {space}") if space else KEEPS.format("trackio")
    if service == "mlflow":
        server = os.environ.get("MLFLOW_TRACKING_URI")  # a recipe may not name a server
        return SENDS.format(f"MLflow at {server}") if server else KEEPS.format("MLflow")
    return SENDS.format("Comet") if service == "comet" else KEEPS.format("TensorBoard")
