"""Kernels of the hub are code that nobody chose: no child of kotune loads one, whatever a model or
a library asks for.

The first tests show the fault in the installed versions: where they fail, kotune/worker/startup can
go."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from kotune.worker.environment import environment
from tests.conftest import ROOT
from tests.hub import running

pytest.importorskip("kernels")
pytest.importorskip("transformers")

COMMIT = "a" * 40
KERNEL = f"evil/attention@{COMMIT}"
CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "vocab_size": 8,
    "attn_implementation": KERNEL,
}
MODEL = (
    "import sys\n"
    "from transformers import AutoConfig, AutoModelForCausalLM\n"
    "AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(sys.argv[1]))"
)
BITSANDBYTES = (
    "import bitsandbytes.backends.cpu.ops as ops; ops.has_avx512bf16() or sys.exit('no"
    " AVX512-BF16')"
)


def child(script: str, home: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """A script in a process with this environment, the hub's cache below `home`."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(home),
        "HF_TOKEN": "hf_secret",
        **more,
    }
    command = [sys.executable, "-c", script, str(home / "model")]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A model that names a kernel, and a warm cache with that kernel, which leaves a file where it
    is run."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(CONFIG))
    built = (
        tmp_path / "hub" / "kernels--evil--attention" / "snapshots" / COMMIT / "build" / "torch-cpu"
    )
    built.mkdir(parents=True)
    (built / "__init__.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nflash_attn_varlen_func = None\n"
    )
    about = {
        "id": "_attention_cpu_a",
        "name": "attention",
        "version": 1,
        "license": "MIT",
        "backend": {"type": "cpu"},
    }
    about |= {"python-depends": []}
    (built / "metadata.json").write_text(json.dumps(about))
    return tmp_path


def quiet(**more: str) -> dict[str, str]:
    """What a child of kotune gets, with these switches of the hub's client."""
    wanted = ("PYTHONPATH", "HF_HUB_DISABLE_TELEMETRY")
    return {**{name: environment()[name] for name in wanted}, **more}


@pytest.mark.slow
def test_transformers_runs_a_kernel_that_a_config_names_out_of_a_warm_cache(home: Path) -> None:
    done = child(MODEL, home, HF_HUB_OFFLINE="1")
    assert (home / "ran").exists(), done.stderr


@pytest.mark.slow
def test_transformers_asks_the_hub_for_a_kernel_that_a_config_names(home: Path) -> None:
    with running({}) as hub:
        child(MODEL, home, HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.endpoint)
        assert any("evil" in path for _, path in hub.asked)


@pytest.mark.slow
def test_bitsandbytes_asks_the_hub_for_a_kernel_when_it_is_imported(home: Path) -> None:
    with running({}) as hub:
        done = child(
            "import sys; " + BITSANDBYTES, home, HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.endpoint
        )
        if "no AVX512-BF16" in done.stderr:
            pytest.skip("only on a CPU with AVX512-BF16")
        assert any("kernels-community" in path for _, path in hub.asked), done.stderr


@pytest.mark.parametrize(("offline", "telemetry"), product("01", "01"))
@pytest.mark.few(1)
def test_no_child_of_ours_loads_or_asks_for_a_kernel(
    home: Path, offline: str, telemetry: str
) -> None:
    with running({}) as hub:
        switches = {"HF_HUB_OFFLINE": offline, "HF_ENDPOINT": hub.endpoint}
        env = quiet(**switches) | {"HF_HUB_DISABLE_TELEMETRY": telemetry}
        done = child("import bitsandbytes\n" + MODEL, home, **env)
        assert done.returncode and "`kernels` is either not installed" in done.stderr
        assert not (home / "ran").exists()
        assert hub.asked == []


def test_a_sitecustomize_of_the_machines_own_is_run_too(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.machines_own = True")
    env = quiet()
    env["PYTHONPATH"] += os.pathsep + str(tmp_path)
    done = child("import sys; print(sys.machines_own, sys.modules['kernels'])", tmp_path, **env)
    assert done.stdout.split() == ["True", "None"], done.stderr


def test_workers_that_a_child_starts_have_it_too(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import kernels'],"
        " check=True)"
    )
    assert "import of kernels halted" in child(script, tmp_path, **quiet()).stderr
