"""What is drawn and filled in comes from output as it is, in parts."""

from pathlib import Path

import pytest

from docs.scripts import pictures

STEPS = [f"  step {step}: loss 0.5, 100 tokens/s" for step in (40, 80, 120, 160)]
LOG = f"""quickstart, lora -> /tmp/x/mine/quickstart-1
train    ...
{chr(10).join(STEPS)}
train    9 s
  nli_sample_ko acc: base 0.4, tuned 0.7

quickstart, seed 1 (2 of 3)
{chr(10).join(STEPS)}
  nli_sample_ko acc: base 0.4, tuned 0.8
"""


def test_a_recording_leaves_out_the_middle_of_training_and_keeps_every_score(
    tmp_path: Path,
) -> None:
    runs = tmp_path / "mine"
    runs.mkdir()
    for recipe in pictures.RECIPES:
        (runs / f"{recipe}.log").write_text(LOG, encoding="utf-8")
    lines = pictures.recording(runs)
    assert lines[0] == "$ ./cli.py run recipes/quickstart_deepseek.yml --seeds 3"
    assert lines[1] == "quickstart, lora -> runs/quickstart-1"
    assert lines[2:7] == ["train    ...", STEPS[0], "  ...", STEPS[-1], "train    9 s"]
    assert sum(" acc: " in line for line in lines) == 4
    assert not [line for line in lines if str(tmp_path) in line or "/tmp/" in line]


def test_a_verdict_is_the_line_that_names_both_models() -> None:
    first, second = pictures.MODELS
    line = f"{first} is ahead of {second}, " + "as it is " * 20
    said = pictures.shortened(f"{first} gained.\n{line}\n\nmore")
    assert " ".join(said) == line.strip()
    assert max(map(len, said)) <= pictures.SENTENCE_COLUMNS


def test_a_wide_table_loses_its_last_columns() -> None:
    wide = "x" * pictures.TABLE_COLUMNS
    assert pictures.cut(wide) == wide
    assert len(pictures.cut(f"{wide}y")) == pictures.TABLE_COLUMNS
    assert pictures.cut(f"{wide}y").endswith("x ...")


def test_a_long_screen_is_cut_after_its_first_part() -> None:
    shown = pictures.screen("a\n\n" + "b\n" * pictures.MOST_SHORT)
    assert shown[1:] == ["a", "..."]
    assert pictures.screen("a\n\nb\n")[1:] == ["a", "", "b"]


def test_a_drawing_has_the_text_and_no_font_to_fetch() -> None:
    svg = pictures.drawn(["$ command", "\x1b[32m한국어\x1b[0m"])
    assert "command" in svg and "한국어" in svg
    assert "@font-face" not in svg and "cdnjs" not in svg


def test_only_a_named_block_is_filled(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "```\nstays\n```\n<!-- make pictures: verdict -->\n```\nold\n```\nend\n"
    page.write_text(text, encoding="utf-8")
    pictures.fill(page, "verdict", ["new \\1", "lines  "])
    assert page.read_text(encoding="utf-8") == text.replace("old", "new \\1\nlines")
    with pytest.raises(ValueError, match="0 blocks recording, not one"):
        pictures.fill(page, "recording", [])
