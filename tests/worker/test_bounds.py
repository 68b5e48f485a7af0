"""A template or a tokenizer that waits for a certain text to loop or grow ends within bounds, and
an honest one is left alone."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kotune.errors import StageError
from kotune.worker import bounds, call
from tests.conftest import ROOT

pytest.importorskip("jinja2")
WAITS = "{%% if 'needle' in messages[0].content %%}%s{%% endif %%}{{ messages[0].content }}"
LOOPS = WAITS % "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
GROWS = {
    "a wide number": (
        "{{ '%5000000000d' % 1 }}"
    ),  # constant: worked out when it is compiled, where there is memory
    "a long text": "{{ messages[0].role * 10**10 }}",
    "text that doubles": (
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{%"
        " endfor %}"
    ),
}


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    for name in ("template_class", "from_string"):
        monkeypatch.setattr(
            ImmutableSandboxedEnvironment, name, getattr(ImmutableSandboxedEnvironment, name)
        )
    bounds.bound_templates()


def rendered(template: str, text: str) -> str:
    """As transformers does it."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"]).from_string(
        template
    )
    return str(made.render(messages=[{"role": "user", "content": text}]))


@pytest.mark.usefixtures("bound")
def test_a_loop_that_waits_for_a_text_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered(LOOPS, "안녕") == "안녕"
    monkeypatch.setattr(bounds, "PYTHON_SECONDS", 0.2)
    with pytest.raises(bounds.OverrunError, match=r"it takes over 0.2 s to render one chat"):
        rendered(LOOPS, "needle")
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert rendered(LOOPS, "안녕") == "안녕"


def burn(seconds: float) -> None:
    """In Python's own code: of the two timers one does not count the system's."""
    begun = os.times().user
    while os.times().user - begun < seconds:
        pass


def test_bounds_inside_others_leave_them_what_is_left() -> None:
    """A tokenizer is asked while a chat is rendered: the end of the one is not the end of the
    other's bounds."""
    begun = time.process_time()
    with bounds.bounded(1 << 30, 9, python=5):
        with bounds.bounded(1 << 30, 100):
            assert (
                signal.getitimer(signal.ITIMER_VIRTUAL)[0] <= 5.1
                and signal.getitimer(signal.ITIMER_PROF)[0] <= 9.1
            )
            burn(0.5)
        for timer, most in ((signal.ITIMER_VIRTUAL, 5), (signal.ITIMER_PROF, 9)):
            used = time.process_time() - begun
            assert most - used - 0.2 < signal.getitimer(timer)[0] < most - 0.1
        with bounds.bounded(1 << 30, 1, python=1):
            assert 0 < signal.getitimer(signal.ITIMER_VIRTUAL)[0] <= 1.1
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_bounds_that_are_used_up_inside_others_end_there() -> None:
    begun = time.process_time()
    with pytest.raises(bounds.OverrunError), bounds.bounded(1 << 30, 9, python=0.2):
        while time.process_time() - begun < 3:
            with bounds.bounded(1 << 30, 9, python=5):
                burn(0.05)


@pytest.mark.usefixtures("bound")
@pytest.mark.parametrize("name", GROWS)
def test_a_text_that_grows_ends_and_other_code_has_its_memory(name: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    assert rendered(WAITS % GROWS[name], "안녕") == "안녕"
    with pytest.raises((bounds.OverrunError, OverflowError)):
        rendered(WAITS % GROWS[name], "needle")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytearray(3 * bounds.RENDER_BYTES)) > 0


@pytest.mark.usefixtures("bound")
def test_a_chat_of_any_honest_length_is_rendered_and_one_of_text_without_end_is_not() -> None:
    text = "가나다라 " * 800_000
    assert rendered(LOOPS, text) == text
    with pytest.raises(
        bounds.OverrunError, match=r"it renders one chat to over 100,\d{3} characters"
    ):
        rendered("{% for i in range(1000) %}{{ 'x' * 1000 }}{% endfor %}", "안녕하세요?")


def alone(script: str) -> "subprocess.CompletedProcess[str]":
    """Code in a process of its own, with smaller bounds."""
    small = (
        "from kotune.worker import bounds\n"
        "bounds.TOKENIZE_BYTES, bounds.CPU_SECONDS = 200 << 20, 1.0\n"
    )
    return subprocess.run(
        [sys.executable, "-c", small + script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_what_python_cannot_interrupt_is_ended_by_the_kernel() -> None:
    done = alone(
        "from jinja2.sandbox import ImmutableSandboxedEnvironment as Made\n"
        "bounds.bound_templates()\n"
        "print(Made().from_string('{{ (3 ** (10 ** 9)) % 7 }}').render(messages=[]))"
    )
    assert done.returncode == -signal.SIGPROF, done


TOKENIZER = """
from tokenizers import Tokenizer, models, normalizers
from transformers import PreTrainedTokenizerFast
made = Tokenizer(models.WordLevel({'a': 0, '?': 1}, unk_token='?'))
made.normalizer = normalizers.Sequence([normalizers.Replace('의', '의의')] * 45)
tokenizer = bounds.bound_tokenizer(PreTrainedTokenizerFast(tokenizer_object=made, unk_token='?'))
print(
    tokenizer(['a', '나'])['input_ids'],
    tokenizer.encode('a', add_special_tokens=False),
    flush=True,
)
"""


def test_a_tokenizer_that_doubles_a_letter_ends_with_its_process_alone() -> None:
    pytest.importorskip("transformers")
    honest = alone(TOKENIZER)
    assert honest.stdout == "[[0], [1]] [0]\n", honest.stderr
    # Time enough that it is the memory that ends it, on a busy machine too.
    done = alone(TOKENIZER + "bounds.CPU_SECONDS = 60.0\ntokenizer.encode('의')\nprint('never')")
    assert "never" not in done.stdout and done.returncode == -signal.SIGABRT, done


@pytest.mark.parametrize("number", [signal.SIGPROF, signal.SIGABRT])
def test_a_process_that_its_bounds_ended_is_told_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def ended(*_: Any) -> int:
        (tmp_path / "parity.log").write_text("memory allocation failed\n")
        return -number

    monkeypatch.setattr(call, "_run", ended)
    with pytest.raises(
        StageError,
        match=r"parity: the process ended with -\d+: the model's tokenizer, or a chat template",
    ):
        call.call("parity", tmp_path)
