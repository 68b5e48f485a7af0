"""Secrets of the environment reach nothing that a run writes or starts; nothing of a checkpoint,
model or page runs code."""

import json
import os
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kotune.display import page
from tests.conftest import ROOT, Cli, write_recipe

QUICK = ROOT / "recipes" / "quickstart_llama.yml"
# One canary a variable that the hub's client, a tracker or a cloud reads; none of them a real one.
NAMES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "WANDB_API_KEY",
    "COMET_API_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "TRACKIO_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "OPENAI_API_KEY",
)
CANARIES = {name: f"hf_Canary{index}" + "7xQ2mZ9pL4" * 3 for index, name in enumerate(NAMES)}


def leaks(*places: Path) -> list[str]:
    """`file: variable` for every canary in a file, in or below the places."""
    files = [
        file
        for place in places
        for file in ([place] if place.is_file() else place.rglob("*"))
        if file.is_file()
    ]
    assert files
    return [
        f"{file}: {name}"
        for file in files
        for name, value in CANARIES.items()
        if value.encode() in file.read_bytes()
    ]


def command_lines(parent: int) -> list[bytes]:
    """The command lines of all processes below `parent`."""
    found = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            found += [Path(f"/proc/{child}/cmdline").read_bytes(), *command_lines(int(child))]
        except OSError:  # it has ended
            continue
    return found


def test_a_canary_is_found_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(f"token={CANARIES['WANDB_API_KEY']}")
    assert leaks(tmp_path) == [f"{tmp_path / 'train.log'}: WANDB_API_KEY"]
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", CANARIES["HF_TOKEN"]]
    ) as child:
        until = time.monotonic() + 10  # a process has no command line yet while it starts
        while not (
            found := [
                line for line in command_lines(os.getpid()) if CANARIES["HF_TOKEN"].encode() in line
            ]
        ):
            if time.monotonic() > until:
                break
        child.kill()
    assert found


def test_the_first_stages_keep_the_environments_secrets_to_themselves(
    cli: Cli, tmp_path: Path
) -> None:
    prepared = cli("run", QUICK, "--until", "prepare", **CANARIES)
    rendered = cli("render", QUICK, **CANARIES)
    refused = cli(
        "run", write_recipe(tmp_path, "model: some/model\ndata: [{source: nsmc}]\n"), **CANARIES
    )
    assert (prepared.returncode, rendered.returncode, refused.returncode) == (0, 0, 1)
    for done in (prepared, rendered, refused):
        assert not any(value in done.stdout + done.stderr for value in CANARIES.values())
    assert leaks(tmp_path) == []


@pytest.mark.e2e
@pytest.mark.slow
def test_a_whole_run_keeps_the_environments_secrets_to_itself(tmp_path: Path) -> None:
    words = ["run", str(QUICK), "--set", "axolotl.max_steps=4", "--limit", "6"]
    env = {
        **os.environ,
        **CANARIES,
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HOME": str(tmp_path / "hf"),
    }
    seen: set[bytes] = set()
    with (tmp_path / "screen").open("w") as screen:
        child = subprocess.Popen(
            [sys.executable, str(ROOT / "cli.py"), *words],
            cwd=tmp_path,
            env=env,
            stdout=screen,
            stderr=screen,
        )
        while child.poll() is None:
            seen.update(command_lines(child.pid))
            time.sleep(0.1)
    assert child.returncode == 0, (tmp_path / "screen").read_text()
    (run,) = (tmp_path / "runs").iterdir()
    assert {"train.log", "report.html", "report.md", "run.json", "model"} <= {
        path.name for path in run.iterdir()
    }
    assert leaks(tmp_path) == []
    assert any(b"axolotl.cli.main" in line for line in seen) and any(
        b"kotune.worker.server" in line for line in seen
    )
    assert not [line for line in seen for value in CANARIES.values() if value.encode() in line]


class Runs:
    """An object whose unpickling writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("name", ["rng_state.pth", "optimizer.pt"])
def test_a_checkpoints_pickle_runs_no_code_when_training_goes_on_from_it(
    tmp_path: Path, name: str
) -> None:
    """Axolotl's own trainer is asked to read its state; it loads weights only."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("axolotl")
    from types import SimpleNamespace

    from axolotl.core.trainers.mixins.rng_state_loader import RngLoaderMixin
    from transformers import Trainer

    torch.save({"python": Runs(tmp_path / "ran")}, tmp_path / name)
    torch.save({}, tmp_path / "scheduler.pt")
    trainer = SimpleNamespace(
        optimizer=SimpleNamespace(load_state_dict=None),
        args=SimpleNamespace(world_size=1, process_index=0, parallel_mode=None, device="cpu"),
        is_deepspeed_enabled=False,
        is_fsdp_enabled=False,
        is_fsdp_xla_enabled=False,
        is_fsdp_xla_v1_enabled=False,
    )
    load = (
        RngLoaderMixin._load_rng_state
        if name == "rng_state.pth"
        else Trainer._load_optimizer_and_scheduler
    )
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load(trainer, str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_models_template_cannot_reach_out_of_its_sandbox(tmp_path: Path) -> None:
    """transformers renders chat templates, a model's own and a recipe's; kotune renders none but
    its pages."""
    pytest.importorskip("transformers")
    from jinja2.exceptions import SecurityError
    from transformers.utils.chat_template_utils import render_jinja_template

    mark = tmp_path / "ran"
    code = (
        "{{ ().__class__.__base__.__subclasses__() }}{{"
        f" cycler.__init__.__globals__.os.mknod({str(mark)!r}) }}}}"
    )
    with pytest.raises(SecurityError):
        render_jinja_template([[{"role": "user", "content": "x"}]], chat_template=code)
    assert not mark.exists()


def test_kotune_itself_unpickles_and_evaluates_nothing() -> None:
    sources = [
        path for room in ("kotune", "kodata", "tasks") for path in (ROOT / room).rglob("*.py")
    ]
    words = (
        "import pickle",
        "torch.load(",
        "allow_pickle=True",
        " eval(",
        " exec(",
        "unsafe_load",
        "yaml.Loader",
        "trust_remote_code=True",
    )
    assert len(sources) > 50
    assert not [
        (path.name, word)
        for path in sources
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]


def test_html_in_data_is_text_on_every_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests of report, preview and compare look at whole pages; this is what they stand on."""
    pytest.importorskip("jinja2")
    sources = sorted(page.PAGES.glob("*.html.jinja"))
    texts = [path.read_text(encoding="utf-8") for path in sources]
    assert texts and not any("autoescape false" in text or "<script" in text for text in texts)
    for path in sources:  # whatever a page is called, and whatever is in it
        (tmp_path / path.name).write_text("<style></style>{{ text }}")
    monkeypatch.setattr(page, "PAGES", tmp_path)
    for path in sources:
        made = page.render(path.name.removesuffix(".html.jinja"), text="<b onclick='x'>&")
        assert made.endswith("&lt;b onclick=&#39;x&#39;&gt;&amp;"), path


def test_a_recipe_cannot_say_where_the_run_is_written(tmp_path: Path, cli: Cli) -> None:
    done = cli("render", QUICK)
    config = dict(
        line.split(": ", 1)
        for line in done.stdout.splitlines()
        if ": " in line and line[0] not in " #-"
    )
    assert (config["output_dir"], config["dataset_prepared_path"]) == ("checkpoints", "prepared")
    assert (
        json.loads(config["plugins"])
        if config.get("plugins")
        else "- kotune.plugin.KotunePlugin" in done.stdout
    )


def test_every_promise_of_the_security_page_names_a_test_that_is_there() -> None:
    text = (ROOT / "docs" / "SECURITY.md").read_text(encoding="utf-8")
    rows = [
        row for row in text.splitlines() if row.startswith("| ") and not row.startswith("| threat")
    ]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row)
        assert named, row
        for file, name in named:
            assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"
