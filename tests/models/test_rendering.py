"""A template that loops, grows or calls itself without end is one message, in bounded time and
memory, before it is used."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kotune.errors import RecipeError
from kotune.models import hub
from kotune.models.presets import TEMPLATES
from kotune.models.rendering import template_problem
from tests.bad_recipes import GOOD
from tests.conftest import ROOT, write_recipe

GIB = 2**30
DOUBLED = (
    "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}"
)
BOMBS = {
    "a range without end": ("{% for i in range(10**12) %}x{% endfor %}", "loops"),
    "loops in loops": (
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "0.25 s",
    ),
    "a long text": ("{{ 'x' * 10**10 }}", "256 MiB"),
    "a text longer than any": ("{{ 'x' * 10**20 }}", "256 MiB"),
    "a long list": ("{{ [0] * 10**9 }}", "256 MiB"),
    "a wide number": ("{{ '%10000000000d' % 1 }}", "256 MiB"),
    "a wide line": ("{{ messages[0].content | center(10**9) }}", "256 MiB"),
    "text that doubles": (DOUBLED, "256 MiB"),
    "filler": ("{{ lipsum(n=10**7) }}", "0.25 s"),
    "a macro of itself": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself"),
    "a long chat": (
        "{% for i in range(20) %}{{ 'x' * 100000 }}{% endfor %}",
        "1,000,000 characters",
    ),
    "a second turn": ("{% if messages | length > 1 %}{{ 'x' * 10**10 }}{% endif %}", "256 MiB"),
    "a prompt for an answer": (
        "{% if add_generation_prompt %}{{ 'x' * 10**10 }}{% endif %}",
        "256 MiB",
    ),
    "after a generation block": (
        "{% generation %}a{% endgeneration %}{{ 'x' * 10**10 }}",
        "256 MiB",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.few(5)
def test_a_recipe_with_such_a_template_is_refused_in_little_memory(
    name: str, tmp_path: Path
) -> None:
    content, told = BOMBS[name]
    (tmp_path / "a.jinja").write_text(content)
    recipe = write_recipe(tmp_path, f"{GOOD}template: {tmp_path / 'a.jinja'}\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "check", str(recipe)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIB // 2, GIB // 2)),
    )
    assert done.returncode == 2 and done.stderr.count("error: ") == 1 and told in done.stderr, (
        done.stderr
    )
    assert "template: `" in done.stderr and "; remove " in done.stderr


@pytest.mark.parametrize("name", TEMPLATES)
def test_our_own_templates_do_no_harm(name: str) -> None:
    assert template_problem(TEMPLATES[name].read_text("utf-8")) == ""


def test_what_a_template_does_not_take_is_not_judged_here() -> None:
    assert (
        template_problem("{{ raise_exception('no system role') }}")
        == template_problem("{{ tools.nothing.there }}")
        == template_problem("{{ 1 / 0 }}")
        == ""
    )
    assert (
        template_problem("{{ strftime_now('%Y') }}{{ messages | tojson(indent=2) }}{% break %}")
        == ""
    )


def test_a_models_own_template_is_looked_at_before_a_run_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = SimpleNamespace(chat_template=BOMBS["a long text"][0])
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: tokenizer)
    with pytest.raises(
        RecipeError, match="model some: its tokenizer's chat template needs over 256 MiB"
    ):
        hub.write_own_template("some", tmp_path)
    assert not list(tmp_path.iterdir())
