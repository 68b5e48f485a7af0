"""Experiment trackers: services that record a run's metrics. A run uses a tracker only if the
recipe's `axolotl:` block switches the tracker on. The run then prints where its metrics go.

Two kinds of Axolotl keys switch a tracker on: `use_<service>: true`, or a project name for the
service (NAMED)."""

import os

from kodata.errors import Translatable
from kotune.recipe.axolotl_keys import AxolotlConfig

# For each service, the key that sets its project name; empty if the service has no such key.
NAMED = {
    "wandb": "wandb_project",
    "mlflow": "mlflow_experiment_name",
    "comet": "comet_project_name",
    "trackio": "trackio_project_name",
    "tensorboard": "",
}
# Environment variables that set trackio's destination: a space on the hub, or the URL of a server.
# If neither is set, trackio keeps the metrics on this machine.
SPACES = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


def lines(block: AxolotlConfig) -> list[str]:
    """One message for each tracker that an `axolotl:` block switches on. The message says whether
    the metrics are sent to a service or stay on this machine."""
    return [
        _line(service, block)
        for service, name in NAMED.items()
        if block.get(f"use_{service}") or block.get(name)
    ]


def _line(service: str, block: AxolotlConfig) -> Translatable:
    if service == "wandb":
        mode = block.get("wandb_mode") or os.environ.get("WANDB_MODE")
        return _keeps("W&B") if mode in ("offline", "disabled") else _sends("W&B")
    if service == "trackio":
        space = next((os.environ[name] for name in SPACES if os.environ.get(name)), None)
        return _sends("trackio", space) if space else _keeps("trackio")
    if service == "mlflow":
        # Only the environment names the server: recipes are not allowed to set the key
        # mlflow_tracking_uri.
        server = os.environ.get("MLFLOW_TRACKING_URI")
        return _sends("MLflow", server) if server else _keeps("MLflow")
    return _sends("Comet") if service == "comet" else _keeps("TensorBoard")


def _sends(service: str, server: str = "") -> Translatable:
    return Translatable(
        "this run sends its metrics to {service} at {server}"
        if server
        else "this run sends its metrics to {service}",
        service=service,
        server=server,
    )


def _keeps(service: str) -> Translatable:
    return Translatable("this run keeps its metrics for {service} on this machine", service=service)
