"""No recipe brings more than one clear message: not a traceback, not the machine's memory, not its
secrets."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kotune.errors import RecipeError
from kotune.recipe import reading as recipe
from kotune.recipe import strict_yaml
from kotune.recipe.schema import MAX_LISTED
from tests.bad_recipes import GOOD, SECRETS, TOKEN, corpus
from tests.conftest import ROOT, Cli, write_recipe
from tests.test_cli import assert_one_message

CORPUS = corpus()
GIB = 2**30


def test_the_corpus_is_large_and_the_same_every_time() -> None:
    names = [name for name, _, _ in CORPUS]
    assert len(names) == len(set(names)) >= 300
    assert corpus() == CORPUS


@pytest.mark.parametrize(
    ("content", "told"), [case[1:] for case in CORPUS], ids=[case[0] for case in CORPUS]
)
def test_a_bad_recipe_is_one_message_that_names_the_place(
    tmp_path: Path, content: bytes, told: str | None
) -> None:
    path = tmp_path / "recipe.yml"
    path.write_bytes(content)
    if told is None:
        recipe.load(path)
        return
    with pytest.raises(RecipeError) as caught:
        recipe.load(path)
    message = str(caught.value)
    assert told in message
    assert len(message.splitlines()) <= MAX_LISTED + 1 and len(message) < 10_000
    assert all(line.startswith(str(path)) for line in message.splitlines())
    assert message.replace("\n", "").isprintable()
    assert TOKEN not in message


@pytest.mark.parametrize("name", ["resume", "ESC", "surrogate", "utf-16"])
def test_the_command_line_tells_it_and_exits_with_2(cli: Cli, tmp_path: Path, name: str) -> None:
    content = next(content for known, content, _ in CORPUS if known == name)
    (tmp_path / "recipe.yml").write_bytes(content)
    assert_one_message(cli("check", "recipe.yml"), 2, "recipe.yml")


def test_bombs_stay_within_half_a_gibibyte(tmp_path: Path) -> None:
    """All floods, a file of 50 MB and one without an end, in one process that may not have more."""
    bombs = [
        content
        for name, content, _ in CORPUS
        if "laughs" in name or "number" in name or len(content) > 8_000
    ]
    for index, content in enumerate([*bombs, b"a: [" + b"x, " * 17_000_000]):
        (tmp_path / f"{index}.yml").write_bytes(content)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from kotune.recipe import reading as recipe\n"
        "from kotune.errors import RecipeError\n"
        "for path in map(Path, sys.argv[1:]):\n"
        " try: recipe.load(path)\n"
        " except RecipeError: print('refused')\n"
    )
    files = [*map(str, tmp_path.glob("*.yml")), "/dev/zero"]
    done = subprocess.run(
        [sys.executable, "-c", code, *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIB // 2, GIB // 2)),
    )
    assert done.stdout.split() == ["refused"] * len(files), done.stderr
    assert len(files) >= 15


@pytest.mark.parametrize("override", [f"axolotl.wandb_name={TOKEN}", TOKEN])
def test_a_secret_on_the_command_line_is_refused_and_not_shown(
    cli: Cli, tmp_path: Path, override: str
) -> None:
    done = cli("run", ROOT / "recipes" / "quickstart_llama.yml", "--set", override)
    assert_one_message(done, 2)
    assert TOKEN not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", SECRETS)
def test_a_secrets_value_is_not_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load(
            write_recipe(tmp_path, f"{GOOD}adapter: full\naxolotl:\n  {key}: {SECRETS[key]}\n")
        )
    assert str(SECRETS[key]) not in str(caught.value).replace(str(tmp_path), "") or key == TOKEN
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "wandb_name: llama-3.2-1b-lora-klue-nli-2026-11-22-a-long-name",
        "wandb_run_id: 3f9a1c2e",
        "special_tokens: {pad_token: <pad>}",
        "eot_tokens: [<|eot_id|>]",
        "mlflow_experiment_name: example.org",
        "default_system_message: 사용자@예시",
        "comet_project_name: hf_llama",
    ],
)
def test_what_only_resembles_a_secret_is_accepted(tmp_path: Path, value: str) -> None:
    assert recipe.load(write_recipe(tmp_path, f"{GOOD}axolotl:\n  {value}\n")).axolotl


@pytest.mark.parametrize(
    "override", [f"data.{'9' * 5000}=1", "a" + ".a" * 5000 + "=1", "data.٣=1", "a=" + "[" * 5000]
)
def test_a_nasty_override_is_told(tmp_path: Path, override: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load(write_recipe(tmp_path, GOOD), (override,))
    assert len(str(caught.value)) < 1000 + len(strict_yaml.shown(override))


def test_a_template_that_is_no_text_or_no_template_is_told(tmp_path: Path) -> None:
    wrong = b"{% generation %}\n{% for m in messages %}{{ m }\n{% endfor %}"
    for name, content, told in (
        ("a.jinja", b"\xff", "not UTF-8"),
        ("b.jinja", b"x" * 100_001, "over 100,000 bytes"),
        ("c.jinja", wrong, r"c.jinja`, line 2: unexpected '}'; correct the template"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecipeError, match=told):
            recipe.load(write_recipe(tmp_path, f"{GOOD}template: {tmp_path / name}\n"))
