"""Presets, templates, and models from a hub: a stand-in hub on loopback gives the real client's errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kotune import models
from tests.conftest import ROOT
from tests.hub import Fault, running

MESSAGES = [{"role": "user", "content": " 질문 "}, {"role": "assistant", "content": "답"}]
RENDERED = {
    "llama3": (
        "<B><|start_header_id|>user<|end_header_id|>\n\n질문<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "답<|eot_id|>",
    ),
    "deepseek_r1": ("<B><｜User｜>질문<｜Assistant｜><think>\n\n</think>\n\n", "답<E>"),
    "plain": ("<B>질문:\n질문\n\n답:\n", "답<E>"),
}


@pytest.mark.parametrize("name", sorted(models.TEMPLATES))
def test_a_template_of_ours_renders_prompt_and_answer_as_one_text(name: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)  # as transformers renders
    template = environment.from_string(models.TEMPLATES[name].read_text(encoding="utf-8"))
    whole = template.render(messages=MESSAGES, bos_token="<B>", eos_token="<E>")
    prompt = template.render(messages=MESSAGES[:1], bos_token="<B>", eos_token="<E>", add_generation_prompt=True)
    assert (prompt, whole) == (RENDERED[name][0], "".join(RENDERED[name]))


def test_the_recipes_template_wins_over_the_presets(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jinja"
    mine.write_text("x")
    assert models.find("quickstart-llama", None).template == models.TEMPLATES["llama3"]
    assert models.find("quickstart-llama", "plain").template == models.TEMPLATES["plain"]
    assert models.find("quickstart-llama", "own").template is None
    assert models.find("quickstart-llama", str(mine)).template == mine
    assert models.find("owner/name", None).template is None


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (Fault(403, method="GET", headers={"X-Error-Code": "GatedRepo"}), 1, "ask for access at"),
        (Fault(404, method="GET", headers={"X-Error-Code": "RepoNotFound"}), 1, "has nothing there"),
        (Fault(401, method="GET"), 1, "HF_TOKEN"),
        (Fault(500, method="GET"), 75, "try again"),
        (None, 75, "try again"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_message_and_an_exit_code(
    tmp_path: Path, fault: Fault | None, code: int, told: str
) -> None:
    with running({}) as hub:
        hub.faults = [fault] if fault else []
        done = fetch(hub.endpoint if fault else "http://127.0.0.1:9", tmp_path)
        assert (done.returncode, "model some/model: " in done.stdout) == (code, True), done.stdout + done.stderr
        assert told in done.stdout
        tries = 4 if code == 75 else 1
        assert not fault or len(hub.asked) == tries


def fetch(endpoint: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, because the hub's address is read when its library is imported."""
    script = (
        "import kodata.hub\nkodata.hub.PAUSES = (0, 0, 0)\nimport sys\nfrom kotune.models import hub\n"
        "from kotune.errors import exit_code\n"
        "try: hub.fetch('some/model')\nexcept Exception as error: print(error); sys.exit(exit_code(error))"
    )
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    return subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)


def test_a_tokenizer_without_a_template_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from kotune.errors import RecipeError
    from kotune.models import hub as model_hub

    with pytest.raises(RecipeError, match="name one with `template:`"):
        model_hub.write_own_template(models.PRESETS["quickstart-llama"].base, tmp_path)


def test_a_models_weights_are_fetched_only_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    from kotune.models import hub as model_hub

    asked: list[list[str]] = []

    def snapshot(_: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return "snapshots/0123"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert model_hub.fetch("some/model") == model_hub.fetch("some/model", weights=False) == "0123"
    assert ["*.safetensors" in patterns for patterns in asked] == [True, False]
    assert all({"*.json", "tokenizer.model"} <= set(patterns) for patterns in asked)
