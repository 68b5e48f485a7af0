"""Each trap of a chat template is found in a template that has it and in no other, with a remedy
that helps. All templates of Axolotl's package are examined too."""

from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from kotune.display.phrases import LANGUAGES, Phrases
from kotune.models.presets import PRESETS, ROWS, TEMPLATES
from kotune.template import words
from kotune.template.findings import CAN_BE_REMEDIED, TemplateFinding, examine
from kotune.template.rendering import SpecialTokens, Template

pytest.importorskip("transformers")
BOS, EOS = "<s>", "<|im_end|>"
TURN = "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
PROMPT = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CLEAN = f"{{% for message in messages %}}{TURN}{{% endfor %}}{PROMPT}"
PROMPT_OF_THOUGHT = PROMPT.replace("assistant\n", "assistant\n<think>\n")
DATED = "<|im_start|>system\nToday: {{ date_string or strftime_now('%d %b %Y') }}<|im_end|>\n"
# As Qwen3 does: the last answer gets an empty thought, the prompt only if thinking is off.
QWEN3 = (
    "{% for message in messages %}{% if message.role == 'assistant' %}<|im_start|>assistant\n"
    "{% set parts = message.content.split('</think>') %}"
    "{% set thought = parts[0].split('<think>')[-1].strip() if parts | length > 1 else '' %}"
    "{% if loop.last or thought %}{{ '<think>\n' + thought + '\n</think>\n\n' }}{% endif %}"
    "{{ parts[-1].strip() }}<|im_end|>\n{% else %}" + TURN + "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and not"
    " enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
OF_SYSTEM = "{% if messages[0].role == 'system' %}"
CUT = "message.content.split('</think>')[-1]"
LAST_SYSTEM = (
    "{% set system = messages[0].content if messages[0].role == 'system' else '' %}"
    "{% for message in messages if message.role != 'system' %}{% if loop.revindex <= 2 and system"
    " and message.role == 'user' %}{{ system }}\n{% endif %}" + TURN + "{% endfor %}" + PROMPT
)


class Trap(NamedTuple):
    """A template, and the names of the findings about it."""

    template: str
    names: list[str]


TRAPS = {
    "clean": Trap(CLEAN, []),
    "clean, with BOS": Trap("{{ bos_token }}" + CLEAN, []),
    "refuses": Trap("{{ raise_exception('only tools') }}", ["refused"]),
    "drops": Trap(CLEAN.replace("message.content", "'text'"), ["answer-changed"]),
    "qwen3": Trap(QWEN3, ["not-prefix"]),
    "opens a thought": Trap(CLEAN.replace(PROMPT, PROMPT_OF_THOUGHT), ["thought-opened"]),
    "dated": Trap(DATED + CLEAN, ["date", "default-system"]),
    "two BOS": Trap("{{ bos_token }}{{ bos_token }}" + CLEAN, ["double-bos"]),
    "another end": Trap(CLEAN.replace("}}<|im_end|>", "}}<|eot_id|>"), ["wrong-end"]),
    "no end": Trap(CLEAN.replace("}}<|im_end|>", "}}"), ["no-end"]),
    "no system": Trap(
        OF_SYSTEM + "{{ raise_exception('no system') }}{% endif %}" + CLEAN, ["system-refused"]
    ),
    "system is dropped": Trap(
        CLEAN.replace("messages %}", "messages if message.role != 'system' %}", 1),
        ["system-dropped"],
    ),
    "one question": Trap(
        "{% if messages | length > 2 and messages[0].role == 'user' %}"
        "{{ raise_exception('long') }}{% endif %}" + CLEAN,
        ["turns-refused", "thought-cut"],
    ),
    "numbered from the end": Trap(
        CLEAN.replace(
            "{% for message in messages %}",
            "{% for message in messages %}"
            "{% if message.role == 'user' %}{{ loop.revindex0 // 2 }}{% endif %}",
        ),
        ["past-changes"],
    ),
    "system moves": Trap(LAST_SYSTEM, ["past-changes"]),
    "default system": Trap(
        "{% if messages[0].role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
        + CLEAN,
        ["default-system"],
    ),
    "tool list": Trap("<|im_start|>tool_list\n<|im_end|>\n" + CLEAN, ["tool-list"]),
    "thoughts are cut": Trap(CLEAN.replace("message.content", CUT), ["thought-cut"]),
    "past thoughts are cut": Trap(
        CLEAN.replace("message.content", f"message.content if loop.revindex <= 2 else {CUT}"),
        ["past-thoughts"],
    ),
    "empty thought": Trap(TEMPLATES["deepseek_r1"].read_text(encoding="utf-8"), ["empty-thought"]),
}


def examined(
    template: str, bos: str = BOS, ends: tuple[str, ...] = (EOS,), adds_bos: bool = False
) -> list[TemplateFinding]:
    variables = {"bos_token": bos, "eos_token": ends[0]}
    return examine(Template(template, SpecialTokens(variables, ends, adds_bos=adds_bos), {}))


def names(findings: list[TemplateFinding]) -> list[str]:
    return [finding.name for finding in findings]


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_found_and_nothing_else(trap: str) -> None:
    assert names(examined(TRAPS[trap].template)) == TRAPS[trap].names


def test_every_finding_has_a_trap_and_words_in_every_language() -> None:
    found = {name for trap in TRAPS.values() for name in trap.names} | {"no-bos", "unread-kwarg"}
    for language in LANGUAGES:
        phrases = Phrases(language)
        assert found == {*phrases.words("template_findings")}
        assert found == {*phrases.words("template_remedies")}
        for name in found:
            finding = TemplateFinding(name, "fix", "EXCERPT")
            assert words.description(finding, phrases) != name != words.remedy(finding, phrases)


def test_a_bos_token_that_only_the_tokenizer_adds_is_missing_in_training() -> None:
    assert names(examined(CLEAN, adds_bos=True)) == ["no-bos"]
    assert examined("{{ bos_token }}" + CLEAN, adds_bos=True) == []
    assert examined(CLEAN, bos="", adds_bos=True) == []


def test_a_kwarg_that_the_template_does_not_read_is_named() -> None:
    tokens = SpecialTokens({"eos_token": EOS}, (EOS,))
    first, *_ = examine(Template(QWEN3, tokens, {"enable_thinkin": False}))
    assert (first.name, first.excerpt) == ("unread-kwarg", "enable_thinkin")
    findings = examine(Template(QWEN3, tokens, {"enable_thinking": False}))
    assert names(findings) == ["past-changes"]


def test_an_end_of_turn_that_is_no_token_of_the_model_cannot_be_trained() -> None:
    template = TRAPS["another end"].template
    for known, name in (({"<|eot_id|>"}, "wrong-end"), ({"<other>"}, "no-end")):
        tokens = SpecialTokens({}, (EOS,), frozenset(known))
        assert names(examine(Template(template, tokens, {}))) == [name]


@pytest.mark.parametrize(
    ("trap", "kwargs"),
    [("qwen3", "enable_thinking: false"), ("dated", 'date_string: "26 Jul 2024"')],
)
def test_a_value_that_avoids_the_trap_is_named(trap: str, kwargs: str) -> None:
    first = examined(TRAPS[trap].template)[0]
    assert first.name in CAN_BE_REMEDIED and first.kwargs == kwargs
    assert words.remedy(first, Phrases("en")) == f"set `template_kwargs: {{{kwargs}}}`"


def test_a_value_that_does_not_help_is_not_named() -> None:
    template = TRAPS["opens a thought"].template + "{# enable_thinking #}"
    assert [finding.kwargs for finding in examined(template)] == [""]


def test_a_template_that_refuses_another_day_depends_on_the_date() -> None:
    today = f"{datetime.now():%j}"
    late = (
        f"{{% if strftime_now('%j') != '{today}' %}}{{{{ raise_exception('late') }}}}{{% endif %}}"
    )
    assert names(examined(late + CLEAN)) == ["date"]


def test_a_thought_that_the_training_text_opens_too_is_a_warning() -> None:
    always = CLEAN.replace(PROMPT, PROMPT_OF_THOUGHT).replace(
        "{{ message.content }}",
        "{% if message.role == 'assistant' %}{{ '<think>\n' }}{% endif %}{{ message.content }}",
    )
    assert [(one.name, one.state) for one in examined(always)] == [("thought-opened", "warning")]


def test_templates_of_presets_have_nothing_to_fix() -> None:
    for name, preset in PRESETS.items():
        end, thinking = preset.end_of_turn or EOS, ROWS[name].thinking
        for template in filter(None, (preset.template, TEMPLATES.get(thinking or ""))):
            found = examined(template.read_text(encoding="utf-8"), ends=(end,))
            assert [one.name for one in found if one.state == "fix"] == [], name
            assert set(names(found)) <= {"empty-thought", "tool-list"}, name


# The templates of Axolotl's package: EOS of the family's tokenizer, and the findings.
AXOLOTL: dict[str, tuple[str, str]] = {
    "alpaca": ("</s>", ""),
    "aya": ("<|END_OF_TURN_TOKEN|>", ""),
    "chatml": ("<|im_end|>", ""),
    "cohere": ("<|END_OF_TURN_TOKEN|>", ""),
    "command_a": ("<|END_OF_TURN_TOKEN|>", "wrong-end default-system"),
    "command_a_rag": ("<|END_OF_TURN_TOKEN|>", "not-prefix wrong-end default-system"),
    "command_a_tool_use": ("<|END_OF_TURN_TOKEN|>", "not-prefix wrong-end default-system"),
    "deepseek_v2": ("<｜end▁of▁sentence｜>", ""),
    "deepseek_v3": ("<｜end▁of▁sentence｜>", "thought-cut"),
    "exaone": ("[|endofturn|]", "default-system"),
    "exaone4": ("[|endofturn|]", "thought-cut"),
    "falcon_h1": ("<|im_end|>", ""),
    "gemma": ("<eos>", "wrong-end system-refused"),
    "gemma3": ("<eos>", "wrong-end"),
    "gemma3n": ("<eos>", "wrong-end"),
    "gemma4": ("<eos>", "not-prefix wrong-end"),
    "gemma4_unified": ("<eos>", "not-prefix wrong-end"),
    "jamba": ("<|endoftext|>", "not-prefix wrong-end default-system"),
    "llama3": ("<|eot_id|>", ""),
    "llama3_2_vision": ("<|eot_id|>", "date default-system"),
    "llama4": ("<|eot|>", ""),
    "llava": ("</s>", "not-prefix no-end"),
    "metharme": ("</s>", "default-system"),
    "mistral_v1": ("</s>", "not-prefix"),
    "mistral_v2v3": ("</s>", "not-prefix system-dropped past-changes"),
    "mistral_v3_tekken": ("</s>", "system-dropped past-changes"),
    "mistral_v7_tekken": ("</s>", "date default-system"),
    "nemotron_h": ("<|im_end|>", ""),
    "phi_3": ("<|endoftext|>", "wrong-end"),
    "phi_35": ("<|endoftext|>", "wrong-end"),
    "phi_4": ("<|im_end|>", "default-system"),
    "pixtral": ("</s>", "system-dropped past-changes"),
    "qwen2_vl": ("<|im_end|>", "default-system"),
    "qwen3": ("<|im_end|>", "thought-opened past-thoughts"),
    "qwen3_5": ("<|im_end|>", "thought-opened past-thoughts"),
    "qwen_25": ("<|im_end|>", "default-system"),
}


def axolotl_templates() -> list[Path]:
    package = find_spec("axolotl")
    assert package and package.origin
    folder = Path(package.origin).parent / "utils" / "chat_templates" / "templates"
    return sorted(folder.glob("*.jinja"))


@pytest.mark.skipif(not find_spec("axolotl"), reason="the light install")
def test_findings_about_every_template_of_axolotl() -> None:
    seen = {}
    for path in axolotl_templates():
        eos = AXOLOTL[path.stem][0] if path.stem in AXOLOTL else "</s>"
        seen[path.stem] = (
            eos,
            " ".join(names(examined(path.read_text(encoding="utf-8"), ends=(eos,)))),
        )
    assert seen == AXOLOTL
