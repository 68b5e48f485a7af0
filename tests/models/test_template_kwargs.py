"""A template whose first lines set its variables renders as with the same variables given."""

import pytest

from kotune.models.template_kwargs import MAX_KWARGS, TemplateKwargs, kwargs_problem, with_kwargs
from kotune.recipe import reading
from tests.conftest import ROOT

pytest.importorskip("transformers")
NAME = 'a "b" \\ %} {{ 1 }} \n한국어 \u00b7'
KWARGS: TemplateKwargs = {"enable_thinking": False, "level": 3, "name": NAME}
READS = "{{ enable_thinking }} {{ level + 1 }} {{ name }}"
TEMPLATES = {
    "plain": READS,
    "a line break first": "\n" + READS,
    "spaces first": "  {% if enable_thinking is false %}\n" + READS + "\n{% endif %}\n",
    "a macro": "{% macro f() %}" + READS + "{% endmacro %}{{ f() }}",
    "a default": "{% if level is not defined %}{% set level = 9 %}{% endif %}" + READS,
    "a loop": "{% for message in messages %}{{ message.content }}" + READS + "{% endfor %}",
}


def rendered(template: str, **variables: object) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    chat = [{"role": "user", "content": "x"}]
    return str(render_jinja_template([chat], chat_template=template, **variables)[0][0])


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_renders_as_with_the_variables_given(name: str) -> None:
    template = TEMPLATES[name]
    expected = rendered(template, **KWARGS)
    assert NAME in expected and "False 4" in expected
    assert rendered(with_kwargs(template, KWARGS)) == expected
    assert with_kwargs(template, {}) == template


def test_names_that_are_no_variables_of_a_template_are_refused() -> None:
    assert kwargs_problem(KWARGS) == ""
    for name in ("a b", "_x", "x.y", "1x", "값", "x = 1 %}{{ 2 }}{% set y"):
        assert "cannot be a variable" in kwargs_problem({name: 1}), name
    for name in ("messages", "bos_token", "add_generation_prompt", "strftime_now", "true"):
        assert "set by the libraries" in kwargs_problem({name: 1}), name
    assert "or fewer" in kwargs_problem({f"x{n}": n for n in range(MAX_KWARGS + 1)})
    assert "over 200 characters" in kwargs_problem({"x": "y" * 201})


def test_a_recipe_without_the_key_keeps_the_name_of_its_run() -> None:
    path = ROOT / "recipes" / "quickstart_llama.yml"
    plain, changed = (
        reading.load(path, overrides)
        for overrides in ((), ("template_kwargs.enable_thinking=false",))
    )
    assert reading.digest(plain, None) != reading.digest(changed, None)
    without = plain.model_dump(mode="json", exclude={"template_kwargs"})
    assert "template_kwargs" not in without and not plain.template_kwargs
