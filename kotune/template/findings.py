"""Finds the known traps of a chat template, from a few short chats that are rendered with it.

The chats are: a training example and its scoring prompt, the same with a system turn, a chat of
two questions, and an answer with a thought. A finding has the state `fix` if training and scoring
would differ, or if no answer would be trained. Such a run fails in the proof of parity. A
`warning` matters only for some data, or is the same in training and in scoring.

The words of a finding are in kotune/display/phrases, by its name."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import Any

from kodata.card import Message
from kodata.errors import brief, shown
from kotune.doctor.finding import State
from kotune.template.rendering import Template
from kotune.train.upstream import another_day

QUESTION, ANSWER = "하늘은 무슨 색인가?", "파란색입니다."
NEXT_QUESTION, NEXT_ANSWER = "바다는 무슨 색인가?", "푸른색입니다."
INSTRUCTION, THOUGHT = "한 문장으로 답하라.", "맑은 낮의 하늘을 떠올린다."
OPENED, CLOSED = "<think>", "</think>"
# Values of template variables that avoid a trap in the templates of known models. A remedy names
# one of them only if the finding is gone with it.
KNOWN_KWARGS: tuple[Mapping[str, Any], ...] = (
    {"enable_thinking": False},
    {"thinking": False},
    {"date_string": "26 Jul 2024"},
)
CAN_BE_REMEDIED = ("not-prefix", "thought-opened", "date")
# The start of a text that looks like the end-of-turn token of a chat template.
TOKEN = re.compile(r"\s*(<[^<>\s]{1,40}>|\[\|[^\[\]\s]{1,40}\|\]|\[/?[A-Z_]{1,40}\])")
TOKENS = re.compile(r"<[^<>]*>|\[[A-Za-z_/|]*\]")
TOOLS = re.compile(r"tool_list|available_tools|<\|?tools?\|?>|# *(available )?tools", re.IGNORECASE)


@dataclass(frozen=True)
class TemplateFinding:
    """A trap in a chat template.

    - `name`: which trap; the key of its phrases
    - `state`: `fix` or `warning`, as described in this module
    - `excerpt`: a part of a rendered chat that shows it, as in a message; may be empty
    - `kwargs`: a value of `template_kwargs` that was tried and avoids it; empty if none is known"""

    name: str
    state: State
    excerpt: str = ""
    kwargs: str = ""


def examine(template: Template) -> list[TemplateFinding]:
    """All findings about a template. The rendering of an untrusted template must be limited, as
    described in kotune.template.rendering."""
    findings = _findings(template)
    names = {finding.name for finding in findings if finding.name in CAN_BE_REMEDIED}
    if not names:
        return findings
    for kwargs in KNOWN_KWARGS:
        (name, value), *_ = kwargs.items()
        if name not in template.text or name in template.kwargs:
            continue
        after = _findings(template.with_kwargs(kwargs))
        solved = names - {finding.name for finding in after} if _is_better(after, findings) else ()
        remedy = f"{name}: {_as_yaml(value)}"
        findings = [
            replace(finding, kwargs=remedy) if finding.name in solved else finding
            for finding in findings
        ]
    return findings


def _is_better(after: list[TemplateFinding], before: list[TemplateFinding]) -> bool:
    """Whether there is nothing new to fix."""
    old = {finding.name for finding in before if finding.state == "fix"}
    return {finding.name for finding in after if finding.state == "fix"} <= old


def _as_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'


def _findings(template: Template) -> list[TemplateFinding]:
    try:
        text = template.render(_chat(1))
        prompt = template.render(_chat(1)[:1], prompt=True)
    except Exception as error:  # a template may raise any exception
        return [TemplateFinding("refused", "fix", brief(error) or type(error).__name__)]
    if QUESTION not in text or ANSWER not in text or QUESTION not in prompt:
        return [TemplateFinding("answer-changed", "fix", shown(text))]
    return [
        *_of_kwargs(template),
        *_of_prompt(text, prompt),
        *_of_date(template, prompt),
        *_of_bos(template, text),
        *_of_end(template, text),
        *_of_system(template),
        *_of_turns(template, text, prompt),
        *_of_thoughts(template),
    ]


def _chat(questions: int, thought: str = "", system: bool = False) -> list[Message]:
    """A chat of one or two questions with their answers. `thought`: a text before each answer."""
    turns = [(QUESTION, ANSWER), (NEXT_QUESTION, NEXT_ANSWER)][:questions]
    chat: list[Message] = [{"role": "system", "content": INSTRUCTION}] if system else []
    for question, answer in turns:
        chat += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": thought + answer},
        ]
    return chat


def _thought(text: str) -> str:
    return f"{OPENED}\n{text}\n{CLOSED}\n\n"


def _common(text: str, other: str) -> int:
    """The number of characters with which both texts begin."""
    return len(commonprefix([text, other]))  # noqa: RUF071  (texts, not paths)


def _is_opened(prompt: str) -> bool:
    """Whether a prompt ends inside a thought."""
    end = prompt[prompt.rfind(QUESTION) :]
    return end.count(OPENED) > end.count(CLOSED)


def _of_kwargs(template: Template) -> Iterator[TemplateFinding]:
    """A finding for each name in `template_kwargs` that the template does not contain."""
    for name in template.kwargs:
        if not re.search(rf"\b{re.escape(name)}\b", template.text):
            yield TemplateFinding("unread-kwarg", "fix", name)


def _of_prompt(text: str, prompt: str) -> Iterator[TemplateFinding]:
    """A finding if the prompt and the answer are not the beginning of the training example, or if
    the prompt opens a thought."""
    is_same = text.startswith(prompt + ANSWER)
    if _is_opened(prompt):
        state: State = "warning" if is_same else "fix"
        yield TemplateFinding("thought-opened", state, shown(prompt[-30:]))
    elif not is_same:
        start = _common(text, prompt + ANSWER)
        yield TemplateFinding(
            "not-prefix", "fix", f"{shown((prompt + ANSWER)[start:])} / {shown(text[start:])}"
        )


def _of_date(template: Template, prompt: str) -> Iterator[TemplateFinding]:
    """A finding if a prompt depends on the day on which it is rendered."""
    try:
        with another_day():
            later = template.render(_chat(1)[:1], prompt=True)
    except Exception as error:  # a template may raise any exception
        later = brief(error)
    if later != prompt:
        start = _common(prompt, later)
        yield TemplateFinding("date", "fix", shown(prompt[max(0, start - 25) : start + 15]))


def _of_bos(template: Template, text: str) -> Iterator[TemplateFinding]:
    bos = template.tokens.bos
    if bos and text.startswith(bos + bos):
        yield TemplateFinding("double-bos", "fix", shown(text[: 2 * len(bos)]))
    elif bos and template.tokens.adds_bos and not text.startswith(bos):
        yield TemplateFinding("no-bos", "fix", bos)


def _of_end(template: Template, text: str) -> Iterator[TemplateFinding]:
    """A finding if no end-of-turn token follows an answer. The proof requires one of `ends`."""
    after = text[text.rfind(ANSWER) + len(ANSWER) :]
    if after.lstrip().startswith(tuple(end for end in template.tokens.ends if end)):
        return
    token = TOKEN.match(after)
    names = template.tokens.names
    if token and (not names or token[1] in names):
        yield TemplateFinding("wrong-end", "fix", token[1])
    else:
        yield TemplateFinding("no-end", "fix", shown(after[:40]))


def _of_system(template: Template) -> Iterator[TemplateFinding]:
    """A finding if the template refuses or drops a system turn."""
    try:
        text = template.render(_chat(1, system=True))
    except Exception as error:  # a template may raise any exception
        yield TemplateFinding("system-refused", "warning", brief(error) or type(error).__name__)
        return
    if INSTRUCTION not in text:
        yield TemplateFinding("system-dropped", "warning")


def _of_turns(template: Template, text: str, prompt: str) -> Iterator[TemplateFinding]:
    """Findings from a chat of two questions. `text` and `prompt`: those of its first question."""
    chat = _chat(2)
    try:
        whole = template.render(chat)
        next_prompt = template.render(chat[:3], prompt=True)
    except Exception as error:  # a template may raise any exception
        yield TemplateFinding("turns-refused", "warning", brief(error) or type(error).__name__)
        return
    if NEXT_QUESTION not in whole:
        yield TemplateFinding("past-changes", "warning", shown(whole))
        return
    yield from _of_beginning(template, text, whole)
    is_same = text.startswith(prompt + ANSWER)
    expected = [prompt + ANSWER, next_prompt + NEXT_ANSWER]
    if is_same and (wrong := next((one for one in expected if not whole.startswith(one)), "")):
        start = _common(whole, wrong)
        excerpt = f"{shown(wrong[start:])} / {shown(whole[start:])}"
        yield TemplateFinding("past-changes", "warning", excerpt)
    elif _system_moves(template):
        yield TemplateFinding("past-changes", "warning", shown(INSTRUCTION))


def _system_moves(template: Template) -> bool:
    """Whether a system turn is at another place in a chat of two questions than in one of one."""
    try:
        first = template.render(_chat(2, system=True)[:2], prompt=True)
        whole = template.render(_chat(2, system=True))
    except Exception:  # reported by _of_system()
        return False
    stands_first = [INSTRUCTION in text.partition(QUESTION)[0] for text in (first, whole)]
    return stands_first == [True, False]


def _of_beginning(template: Template, text: str, whole: str) -> Iterator[TemplateFinding]:
    """A finding if the template adds text of its own before the first question.

    The text before the second question ends with what opens every question. What else stands before
    the first question is added by the template."""
    head = text.partition(QUESTION)[0].removeprefix(template.tokens.bos)
    between = whole.partition(ANSWER)[2].partition(NEXT_QUESTION)[0]
    added = head[: len(head) - _common(head[::-1], between[::-1])].strip()
    if not re.search(r"\w", TOKENS.sub("", added)) and "system" not in added.lower():
        return
    name = "tool-list" if TOOLS.search(added) else "default-system"
    yield TemplateFinding(name, "warning", shown(added))


def _of_thoughts(template: Template) -> Iterator[TemplateFinding]:
    """Findings from answers that have a thought."""
    try:
        text = template.render(_chat(1, thought=_thought(THOUGHT)))
        whole = template.render(_chat(2, thought=_thought(THOUGHT)))
    except Exception as error:  # a template may raise any exception
        yield TemplateFinding("thought-cut", "warning", brief(error) or type(error).__name__)
        return
    if THOUGHT not in text:
        yield TemplateFinding("thought-cut", "warning", shown(text[text.find(QUESTION) :]))
    elif whole.count(THOUGHT) < 2:
        yield TemplateFinding("past-thoughts", "warning")
    answer = text[text.rfind(QUESTION) :]  # a system turn of the template may hold the tag too
    if answer.count(CLOSED) > 1:
        yield TemplateFinding("empty-thought", "warning", shown(answer[answer.find(OPENED) :]))
