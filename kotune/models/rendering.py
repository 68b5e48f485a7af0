"""A chat template is a program that a stranger may have written: before it is used, it is rendered
once in a process of its own, for some short chats, within bounds of time, memory and output that
the kernel keeps.

The environment is transformers' own (transformers.utils.chat_template_utils), but that a generation
block is left out: which tokens it marks does not matter here. What a template raises is not judged:
it may want other roles than ours."""

import re
import resource
import signal
import subprocess
import sys
from functools import cache
from typing import Any

from kodata.children import HERE, python_environment

SECONDS = 0.25  # of CPU time for all chats; the templates on the hub need some thousandths
MEMORY = 256 << 20  # bytes
LONGEST = 1_000_000  # characters of a rendered chat; its messages have some 2,000
PATIENCE = 20  # seconds on the clock, on a machine that is busy
TOO_LONG, TOO_LARGE = 3, 4  # exit codes
# OverflowError: a range or a text of more than jinja or Python makes
BOUNDLESS = (MemoryError, RecursionError, OverflowError)
# A statement of transformers, which jinja does not have.
GENERATION = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")

TEXT = "전제: 민수는 의자를 세 개 닦았다.\n가설: 민수는 의자를 닦았다. "
TURNS = [
    {"role": ("user", "assistant")[turn % 2], "content": TEXT * (1 + turn)} for turn in range(8)
]
CHATS = (TURNS[:1], TURNS[:2], [{"role": "system", "content": TEXT}, *TURNS[:2]], TURNS)


@cache
def harm(template: str) -> str:
    """Why a template cannot be used: time, memory or output without end. Empty where it can, and
    where jinja is absent."""
    code = _rendered_elsewhere(template)
    if code in (-signal.SIGVTALRM, -signal.SIGKILL, -signal.SIGXCPU):
        return f"takes over {SECONDS} s to render some short chats; take out its loop"
    if code == TOO_LONG:
        return f"makes over {LONGEST:,} characters of a short chat; take out what repeats"
    if code == TOO_LARGE or code < 0:  # below 0: ended by a signal, as by a stack that is full
        ends = (
            "or loops or calls itself without end, to render some short chats; take out what"
            " repeats"
        )
        return f"needs over {MEMORY >> 20} MiB, {ends}"
    return ""


def _rendered_elsewhere(template: str) -> int:
    """The exit code of the process."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", render.__module__],
            input=template.encode(),
            env=python_environment(HERE),
            timeout=PATIENCE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    return done.returncode


def render(template: str) -> int:
    """The exit code for a template, in the process that is there for it."""
    try:
        compiled = _environment().from_string(GENERATION.sub("", template))
    except ImportError:
        return 0
    except BOUNDLESS:
        return TOO_LARGE
    except Exception:
        return 0
    return max(_one(compiled, chat, prompt) for chat in CHATS for prompt in (False, True))


def _one(compiled: Any, chat: list[dict[str, str]], prompt: bool) -> int:
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    made = 0
    try:
        for piece in compiled.generate(
            messages=chat, add_generation_prompt=prompt, tools=None, documents=None, **tokens
        ):
            made += len(piece)
            if made > LONGEST:
                return TOO_LONG
    except BOUNDLESS:
        return TOO_LARGE
    except Exception:
        return 0
    return 0


def _environment() -> Any:
    import json
    from datetime import datetime

    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    env.filters["tojson"] = lambda value, **more: json.dumps(
        value, ensure_ascii=False, indent=more.get("indent")
    )
    env.globals.update(
        raise_exception=raise_exception, strftime_now=lambda form: datetime.now().strftime(form)
    )
    return env


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, 5),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    import jinja2.ext
    import jinja2.sandbox  # not the template's time  # noqa: F401

    # Whose signal ends the process, in the midst of C code too.
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)


if __name__ == "__main__":
    _limit()
    sys.exit(render(sys.stdin.buffer.read().decode()))
