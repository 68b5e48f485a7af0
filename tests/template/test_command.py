"""`template` examines a model or a recipe, and says one thing for each mistake of the user. `check`
and `preview` show the same findings."""

import json
import shutil
from pathlib import Path

import pytest

from kotune.display.phrases import Phrases
from kotune.errors import KotuneError, RecipeError
from kotune.models import hub
from kotune.models.presets import TEMPLATES
from kotune.preview.tables import tables
from kotune.recipe.reading import load
from kotune.template import examine
from kotune.template.findings import TemplateFinding
from kotune.template.job import findings_of
from tests.conftest import ROOT, Cli, write_recipe
from tests.parity.test_proof import BROKEN
from tests.template.test_findings import names

pytest.importorskip("axolotl")
MODEL = ROOT / "kotune" / "models" / "quickstart_llama"
RECIPE = "model: quickstart-llama\ntemplate: a.jinja\ndata:\n  - source: nli_sample\n"
OURS = TEMPLATES["llama3"].read_text(encoding="utf-8")
# A prompt with a date, which a variable can replace.
DATED = OURS.replace("{{- bos_token -}}", "{{- bos_token }}{{ date_string or strftime_now('%F') }}")


def recipe(folder: Path, template: str, more: str = "") -> Path:
    (folder / "a.jinja").write_text(template, encoding="utf-8")
    return write_recipe(folder, RECIPE + more)


def test_a_recipe_with_a_trap_has_the_exit_code_1_and_its_remedy(cli: Cli, tmp_path: Path) -> None:
    path = recipe(tmp_path, DATED)
    done = cli("template", path, "--json")
    content = json.loads(done.stdout)
    assert done.returncode == 1 and content["ok"] is False and content["template"] == "a"
    assert [one["name"] for one in content["findings"]] == ["date", "default-system"]
    assert content["findings"][0]["template_kwargs"] == 'date_string: "26 Jul 2024"'
    done = cli("template", path, "--set", "template_kwargs.date_string=2024", "--lang", "ko")
    assert done.returncode == 0 and "채팅 템플릿: a" in done.stdout and "2024" in done.stdout


def test_check_shows_the_findings_and_refuses_the_recipe(cli: Cli, tmp_path: Path) -> None:
    done = cli("check", recipe(tmp_path, DATED))
    assert done.returncode == 1 and "no problems" not in done.stdout
    assert "-> set `template_kwargs: {date_string: " in done.stdout
    assert "would make a run fail: date; the lines above" in done.stderr
    done = cli("check", recipe(tmp_path, OURS))
    assert done.returncode == 0 and "no problems" in done.stdout and "->" not in done.stdout


def test_a_run_stops_before_it_fetches_the_model(cli: Cli, tmp_path: Path) -> None:
    path = recipe(tmp_path, DATED)
    done = cli("run", path, "--until", "render", "--device", "cpu", "--set", "data.0.samples=60")
    assert done.returncode == 1 and "would make a run fail: date" in done.stderr
    assert "The prompt contains the current date" in done.stdout
    assert not [*tmp_path.rglob("axolotl.yml")]  # written once the model is fetched


def test_a_loop_in_a_template_ends_in_the_child_process(cli: Cli, tmp_path: Path) -> None:
    """The check of the recipe renders other texts, for which the template does not loop."""
    loop = "{% if '하늘' in messages[0].content %}{% for i in range(99999) %}{% for j in"
    loop += " range(99999) %}{% endfor %}{% endfor %}{% endif %}"
    done = cli("template", recipe(tmp_path, loop + OURS))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "it takes over 5 s to render one chat" in done.stdout + done.stderr


def test_a_model_without_a_tokenizer_is_one_message(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("tokenizer*"))
    done = cli("template", folder)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "it has no tokenizer (tokenizer.json" in done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("quickstart-lama", "is not a preset, a hub id (owner/name) or a model folder; did you"),
        ("a.gguf", "holds GGUF weights, which cannot be trained"),
        ("weights", "holds GGUF weights, which cannot be trained"),
    ],
)
def test_a_name_that_is_no_model_is_one_message(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "b.GGUF").write_bytes(b"GGUF")
    with pytest.raises(RecipeError) as caught:
        examine.of_model(name)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_set_needs_a_recipe(cli: Cli) -> None:
    done = cli("template", "quickstart-llama", "--set", "seed=1")
    assert done.returncode == 2 and "--set changes a recipe, but quickstart-llama" in done.stderr


def test_what_is_examined_for_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    more = 'axolotl: {eot_tokens: ["<|eom|>"]}\ntemplate_kwargs: {x: true}\n'
    subject = examine.of_recipe(load(recipe(tmp_path, OURS, more)))
    assert (subject.ends, subject.kwargs, subject.template) == (("<|eom|>",), {"x": True}, "a")
    assert subject.is_here and not subject.is_tested
    shipped = examine.of_recipe(load(ROOT / "recipes" / "quickstart_llama.yml"))
    assert shipped.is_tested and shipped.ends == ("<|eot_id|>",)
    assert not examine.of_model("some/model").is_here
    with pytest.raises(KotuneError, match="fail: no-end; the lines"):
        examine.refuse(shipped, [TemplateFinding("no-end", "fix")])
    examine.refuse(shipped, [TemplateFinding("tool-list", "warning")])
    of_thoughts = [TemplateFinding("thought-opened", "fix")]
    examine.refuse(shipped, of_thoughts, may_think=True)
    with pytest.raises(KotuneError, match="fail: date; the lines"):
        examine.refuse(shipped, [*of_thoughts, TemplateFinding("date", "fix")], may_think=True)


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_the_quickstart_models_tokenizers_and_templates_have_nothing_to_fix(name: str) -> None:
    subject = examine.of_model(f"quickstart-{name}")
    assert subject.model.template
    tokenizer = hub.tokenizer_of(subject.model.base)
    text = subject.model.template.read_text(encoding="utf-8")
    found = findings_of(tokenizer, text, subject.ends, {})
    assert names(found) == ([] if name == "llama" else ["empty-thought"])
    unknown = text.replace("<|eot_id|>", "<|unknown|>").replace("eos_token", "'<|unknown|>'")
    assert "no-end" in names(findings_of(tokenizer, unknown, subject.ends, {}))


@pytest.mark.parametrize("name", BROKEN)
def test_each_template_that_fails_in_the_proof_is_to_be_fixed(name: str) -> None:
    broken = BROKEN[name]
    subject = examine.of_model(f"quickstart-{broken.model}")
    tokenizer = hub.tokenizer_of(subject.model.base)
    found = findings_of(tokenizer, broken.template, subject.ends, {})
    assert [one.name for one in found if one.state == "fix"] == [broken.finding]


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_preview_shows_the_findings(lang: str) -> None:
    from dataclasses import replace

    from tests.preview.test_preview import data, seen

    plain, phrases = seen("a", 50), Phrases(lang)
    finding = TemplateFinding("no-end", "fix", "'</x>'")
    tokens = replace(plain.tokens, findings=[finding])
    shown = [table.title for table in tables([data(replace(plain, tokens=tokens))], phrases)]
    assert phrases("template_table") in shown
    assert phrases("template_table") not in [one.title for one in tables([data(plain)], phrases)]
