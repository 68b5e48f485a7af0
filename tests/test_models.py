"""Presets, templates, and models from a hub: a stand-in hub on loopback gives the real client's errors."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kotune import models
from tests.conftest import ROOT

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


class Hub(BaseHTTPRequestHandler):
    """Answers every request with the status and headers that the model's name asks for."""

    def do_GET(self) -> None:
        status = int(self.path.split("status-")[1][:3])
        self.send_response(status)
        if status == 403:
            self.send_header("X-Error-Code", "GatedRepo")
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.mark.parametrize(
    ("model", "code", "told"),
    [
        ("some/status-403", 1, "ask for access at"),
        ("some/status-404", 1, "has nothing there"),
        ("some/status-401", 1, "HF_TOKEN"),
        ("some/status-500", 75, "try again"),
    ],
)
def test_what_the_hub_says_is_one_message_and_an_exit_code(
    hub: str, tmp_path: Path, model: str, code: int, told: str
) -> None:
    assert_told(hub, tmp_path, model, (code, told))


def test_a_hub_that_does_not_answer_is_worth_another_try(tmp_path: Path) -> None:
    assert_told("http://127.0.0.1:9", tmp_path, "some/model", (75, "try again"))


def assert_told(endpoint: str, home: Path, model: str, expected: tuple[int, str]) -> None:
    """In a process of its own, because the hub's address is read when its library is imported."""
    script = (
        "import sys\nfrom kotune.models import hub\nfrom kotune.errors import exit_code\n"
        "try: hub.fetch(sys.argv[1])\nexcept Exception as error: print(error); sys.exit(exit_code(error))"
    )
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run([sys.executable, "-c", script, model], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, model in done.stdout) == (expected[0], True), done.stdout + done.stderr
    assert expected[1] in done.stdout


def test_a_tokenizer_without_a_template_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from kotune.errors import RecipeError
    from kotune.models import hub as model_hub

    with pytest.raises(RecipeError, match="name one with `template:`"):
        model_hub.write_own_template(models.PRESETS["quickstart-llama"].base, tmp_path)
