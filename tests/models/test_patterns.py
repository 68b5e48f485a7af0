"""Patterns of modules' names are matched in bounded time, or refused; what people write passes."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kotune.models.patterns import pattern_problem
from tests.conftest import bounded_time

NAME = "model.language_model.layers.127.block_sparse_moe.experts.63.self_attn.q_proj.base_layer"
TAKEN = [
    "q_proj",
    "all-linear",
    "all_linear",
    "",
    "model.layers.0.self_attn.q_proj",
    "q_proj|v_proj",
    r"model.layers.[\d]+.mlp.(gate|up|down)_proj",
    r"model\.layers\.\d+\.(mlp|self_attn)\..*",
    r".*\.layers\.(1[0-9]|2[0-3])\.self_attn\.(q|k|v|o)_proj$",
    r"model\.language_model\.layers\.[\d]+\.(_checkpoint_wrapped_module\.)?"
    r"(mlp|self_attn)\.(up|down|gate|q|k|v|o)_proj",
    r"^.*layers.[\d]+.(mlp|cross_attn|self_attn).(up|down|gate|q|k|v|o)_proj$",
]
REFUSED = [
    r"(([a-z_0-9]+\.?)+)+!",
    "(a*)*",
    "(a|a)+!",
    "(a|a)" * 40 + "!",
    "a?" * 40 + "!",
    ".*.*.*!",
    "a**",
    "a{1,99}",
    "((a))",
    "[",
    "[9-0]",
    r"(a)\1",
    r"\1",
    "(?!a)b",
    "(?i)a",
    "*a",
    "a b",
    "가",
    "a/b",
    "~",
    ".*" * 1_000,
]


@pytest.mark.parametrize("pattern", TAKEN)
def test_what_people_write_is_taken(pattern: str) -> None:
    assert pattern_problem([pattern]) == ""


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_may_be_matched_without_end_or_is_no_pattern_is_refused(pattern: str) -> None:
    with bounded_time():
        told = pattern_problem(["q_proj", pattern])
    assert "accepted are names of modules" in told and "\n" not in told and len(told) < 400


def test_many_patterns_are_no_more_than_one() -> None:
    assert pattern_problem([".*a.*b"] * 25) == ""
    assert "in over 250,000 ways" in pattern_problem([".*a.*b"] * 26)
    assert pattern_problem([f"model.layers.{number}.mlp" for number in range(5_000)]) == ""


def test_such_a_pattern_does_not_end_in_python() -> None:
    script = f"import re; re.fullmatch({REFUSED[0]!r}, {NAME!r})"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", script], timeout=3, check=False)


PARTS = st.sampled_from(
    [
        "a",
        ".",
        r"\.",
        r"\d",
        "[a-z_]",
        "(a|.)",
        "(a|a|ab)",
        "(a.|.a)?",
        ".*",
        "[a-z.]+",
        r"\w+",
        "a?",
        "|",
        "^",
        "$",
    ]
)


@given(st.lists(PARTS, max_size=14))
def test_what_is_taken_ends_as_peft_asks_it(parts: list[str]) -> None:
    pattern = "".join(parts)
    if not pattern_problem([pattern]):
        with bounded_time():
            re.match(rf"(.*\.)?({pattern}!)$", NAME)
            re.fullmatch(pattern + "!", NAME)
