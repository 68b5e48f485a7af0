"""The strict YAML loader: what PyYAML would take in silence is an error with its place."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kotune.errors import RecipeError
from kotune.recipe import strict_yaml
from kotune.recipe.overrides import apply


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 2e-4", r"here:1: a: YAML reads `2e-4` as text, not a number; write 2.0e-4"),
        ("a: 1e5", r"write 1.0e\+5"),
        ("a: 16,000", r"write 16000"),
        ("a: 1\nb: 2\na: 3", r"here:3: a: given twice \(also on line 1\)"),
        ("a:\n  b: 1\n  b: 2", r"here:3: a.b: given twice"),
        ("a: &x 1\nb: *x", r"anchors and aliases"),
        (
            "a: !!python/object:os.system {}",
            r"here:1: a: `!!python/object:os.system` is a tag; leave it out",
        ),
        (
            "a: 1\nb: !!bool foo",
            r"here:2: b: `!!bool` is a tag; leave it out, and quote the value if it is text",
        ),
        ("!!str a: 1", r"a key must be a word"),
        ('a: "\\Uffffffff"', r"here: not valid YAML: a value does not fit its tag"),
        ("a: 2024-01-01", r"is not a plain value; quote it"),
        ("1: a", r"a key must be a word, found `1`"),
        ("yes: a", r"a key must be a word, found `yes`"),
        ("a: [1", r"here:1: not valid YAML"),
        ("a: b: c", r"not valid YAML"),
        ("a\x00b: 1", r"here:1: a character that is not shown.* \(U\+0000\); remove it"),
        ("a: 1\r\n# b\rc: 2", r"here:2: a character that is not shown"),
        ("[" * 3000, r"nested too deeply|not valid YAML"),
    ],
)
def test_a_surprise_is_an_error_that_names_its_place(text: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        strict_yaml.parse(text, "here")


@pytest.mark.parametrize(
    "code", [0x85, 0x2028, 0x2029, 0x1B, 0x9B, 0x7F, 0x200F, 0x202E, 0x2066, 0x61C, 0xFEFF]
)
@pytest.mark.parametrize(
    "form",
    ["a: 1\n# a comment{}seed: 77", "a: 1  # leaks{}: keep\nb: 2", "a: x\nb: 'y{}'", "a{}: 1"],
)
def test_what_no_terminal_shows_is_refused_in_comments_too(
    code: int, form: str, tmp_path: Path
) -> None:
    """YAML ends a line at the first three: what looks like a comment had keys in it."""
    text = form.format(chr(code))
    line = text.split(chr(code))[0].count("\n") + 1
    (file := tmp_path / "a.yml").write_bytes(text.encode())
    told = rf":{line}: a character that is not shown.* \(U\+{code:04X}\)"
    with pytest.raises(RecipeError, match=told):
        strict_yaml.parse(text, "here")
    with pytest.raises(RecipeError, match=told):
        strict_yaml.load(file)


def test_text_of_any_language_passes_and_what_is_not_shown_does_where_it_is_spelled_out() -> None:
    said = "한국어 ᄒᆞᆫ글 日本語 שלום ⓒ 😀 👨\u200d👩\u200d👧 é\u0301"
    assert strict_yaml.parse(
        f"# {said}\r\na: {said}\r\n\tb: '\u3000'".replace("\tb", "b"), "here"
    ) == {"a": said, "b": "\u3000"}
    assert strict_yaml.parse(r'a: "\u200f\u2028"', "here") == {"a": "\u200f\u2028"}


def test_a_mark_of_byte_order_is_one_at_the_beginning_alone(tmp_path: Path) -> None:
    (file := tmp_path / "a.yml").write_bytes("\ufeffa: 1\n".encode())
    assert strict_yaml.load(file) == {"a": 1}


@pytest.mark.parametrize(
    "override", ["a\udcffb=1", "\udcff=1", "a\u2028b=1", "axolotl.\x1b=1", "a=1\u2028b: 2"]
)
def test_a_setting_has_no_such_character_in_its_key(override: str) -> None:
    with pytest.raises(RecipeError, match=r"^--set [\w.\\]+:1: a character that is not shown"):
        apply({}, override)


def test_a_misread_number_hides_no_other_problem() -> None:
    number_problems: list[str] = []
    value = strict_yaml.parse(
        "a: 2e-4\nb: [1, 0x10]\nc: 1,000", "here", number_problems=number_problems
    )
    assert value == {"a": 2e-4, "b": [1, "0x10"], "c": 1000}
    assert [message.split(": ")[:2] for message in number_problems] == [
        ["here:1", "a"],
        ["here:2", "b.1"],
        ["here:3", "c"],
    ]


def test_quoted_text_that_looks_like_a_number_stays_text() -> None:
    assert strict_yaml.parse("a: '2e-4'\nb: \"1,000\"", "here") == {"a": "2e-4", "b": "1,000"}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_number_that_an_error_proposes_is_read_as_that_number(value: float) -> None:
    text = f"{value:e}".replace("e+", "e").replace(".000000e", "e")
    try:
        read = strict_yaml.parse(f"a: {text}", "here")["a"]
    except RecipeError as error:
        proposed = re.search(r"write (\S+)", str(error))
        assert proposed, error
        read = yaml.safe_load(f"a: {proposed[1]}")["a"]
    assert isinstance(read, float)
    assert read == float(text)


TAGS = (
    "!!map",
    "!!seq",
    "!!str",
    "!!int",
    "!!float",
    "!!bool",
    "!!null",
    "!!timestamp",
    "!!binary",
    "!!set",
    "!!omap",
    "!!pairs",
    "!!value",
    "!!merge",
    "!!x",
    "",
    "!",
    "!a",
    "!<tag:yaml.org,2002:bool>",
    "!!python/name:os.system",
)
TEXTS = (
    "",
    '""',
    "foo",
    ".",
    '"."',
    '"+"',
    '"-"',
    '"_"',
    '"0x"',
    '"0b"',
    '":"',
    '"1:"',
    '".inf"',
    "<<",
    "=",
    "9" * 5_000,
    "1:" * 400 + "1",
    "1:" * 400 + "1.0",
    "2001-01-01",
    "2001-99-99",
    "2001-12-14t21:59:43.10-99:99",
    "'\u0660'",
    '"\\Uffffffff"',
    "0001-01-01T00:00:00+23:00",
    "[]",
    "{}",
    "[a]",
    "[[a]]",
    "{a: b}",
    "[{a: b}]",
    "{=: 1}",
    "{<<: 1}",
    "{<<: [a]}",
    "{[a]: b}",
    "{{a: b}: c}",
    "{? !!bool foo : 1}",
)


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_with_every_text_is_read_or_refused_with_one_message(tag: str) -> None:
    """As a value, a key, an item and the whole; under the strict rules, and as a program writes
    it."""
    for text in TEXTS:
        for form in ("{}", "a: {}", "? {}\n: 1", "- {}"):
            document = form.format(f"{tag} {text}")
            try:
                strict_yaml.parse(document, "here")
                assert not tag, document
            except RecipeError as error:
                assert str(error).startswith("here") and "\n" not in str(error)
            with suppress(ValueError):
                strict_yaml.plain(document)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_one_message(text: str) -> None:
    try:
        strict_yaml.parse(text, "here")
    except RecipeError as error:
        assert str(error).startswith("here")


def test_files_that_cannot_be_recipes_are_named(tmp_path: Path) -> None:
    cases = {
        "empty.yml": b"",
        "comment.yml": b"# nothing\n",
        "list.yml": b"- a",
        "cp949.yml": "가: 1".encode("cp949"),
    }
    for name, content in {**cases, "long.yml": b"#" * 1_000_001}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecipeError, match=name):
            strict_yaml.load(tmp_path / name)
    for missing in ("absent.yml", "."):
        with pytest.raises(RecipeError, match=re.escape(str(tmp_path / missing))):
            strict_yaml.load(tmp_path / missing)
