"""Checks that a chat template renders a chat in bounded time and memory. A template is a program,
and it may be untrusted.

Before a template is used, a separate process renders a few short chats with it. The kernel limits
the time and memory of this process. The length of each rendered chat is limited too. The jinja
environment has the same functions as in transformers (transformers.utils.chat_template_utils). Only
the tags of generation blocks are removed, because jinja alone does not know them.

Exceptions of a template are ignored. For example, a template may raise one for a role in these
chats. They are reported later, for the rows of the data."""

import re
import resource
import signal
import subprocess
import sys
from functools import cache
from typing import Any

from kodata.children import PACKAGES, python_environment

SECONDS = 0.25  # CPU time for all chats; templates on the hub need a few milliseconds
MEMORY = 256 << 20  # bytes
MAX_CHARACTERS = 1_000_000  # of a rendered chat; its messages have about 2,000
TIMEOUT = 20  # seconds of wall-clock time, also on a busy machine
TOO_LONG, TOO_LARGE = 3, 4  # exit codes of the process: too long an output, too much memory
# The exceptions of a template that has no bounds. An OverflowError means that a range or a text is
# larger than jinja or Python allows.
UNBOUNDED = (MemoryError, RecursionError, OverflowError)
# The tags of a generation block, a statement that transformers adds to jinja.
GENERATION = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")

TEXT = "전제: 민수는 의자를 세 개 닦았다.\n가설: 민수는 의자를 닦았다. "
TURNS = [
    {"role": ("user", "assistant")[turn % 2], "content": TEXT * (1 + turn)} for turn in range(8)
]
CHATS = (TURNS[:1], TURNS[:2], [{"role": "system", "content": TEXT}, *TURNS[:2]], TURNS)


@cache
def template_problem(template: str) -> str:
    """The reason why a template cannot be used, as the end of a sentence about it: too much time,
    memory or output. Empty if the template can be used, or if jinja is not installed."""
    code = _render_in_process(template)
    if code in (-signal.SIGVTALRM, -signal.SIGKILL, -signal.SIGXCPU):
        return f"takes over {SECONDS} s to render a few short chats; remove its loop"
    if code == TOO_LONG:
        return (
            f"renders a short chat to over {MAX_CHARACTERS:,} characters; remove the part that"
            " repeats"
        )
    if code == TOO_LARGE or code < 0:  # below 0: another signal, for example for a stack overflow
        return (
            f"needs over {MEMORY >> 20} MiB to render a few short chats, or loops or calls itself"
            " forever; remove the part that repeats"
        )
    return ""


def _render_in_process(template: str) -> int:
    """Render the chats in a child process and return its exit code, as in subprocess: the negative
    number of a signal that ended it. SIGKILL stands for a timeout too."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", render.__module__],
            input=template.encode(),
            env=python_environment(PACKAGES),
            timeout=TIMEOUT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    return done.returncode


def render(template: str) -> int:
    """Render every chat with a template; called in the child process. Returns the process's exit
    code: 0, TOO_LONG or TOO_LARGE."""
    try:
        compiled = _environment().from_string(GENERATION.sub("", template))
    except ImportError:
        return 0
    except UNBOUNDED:
        return TOO_LARGE
    except Exception:  # not a resource problem; the code that renders rows reports it
        return 0
    return max(_render_chat(compiled, chat, prompt) for chat in CHATS for prompt in (False, True))


def _render_chat(compiled: Any, chat: list[dict[str, str]], prompt: bool) -> int:
    """Render one chat and return the exit code for it. `prompt`: with a generation prompt."""
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    length = 0
    try:
        for piece in compiled.generate(
            messages=chat, add_generation_prompt=prompt, tools=None, documents=None, **tokens
        ):
            length += len(piece)
            if length > MAX_CHARACTERS:
                return TOO_LONG
    except UNBOUNDED:
        return TOO_LARGE
    except Exception:  # not a resource problem
        return 0
    return 0


def _environment() -> Any:
    """A jinja environment with the functions that transformers gives to chat templates."""
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
    """Limit the memory and CPU time of this process. SECONDS begin after the import of jinja."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, 5),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    import jinja2.ext
    import jinja2.sandbox  # noqa: F401

    # The timer's signal ends the process, even during C code.
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)


if __name__ == "__main__":
    _limit()
    sys.exit(render(sys.stdin.buffer.read().decode()))
