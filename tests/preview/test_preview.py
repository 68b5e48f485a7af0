"""A preview shows what Axolotl will train on, escapes what comes from data, and says the same in
both languages."""

import html
import io
import json
import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from rich.console import Console

from kotune.display.phrases import LANGUAGES, Phrases
from kotune.parity import lengths
from kotune.parity.trained import Trained, load_strategy, read_rows, tokenize_rows
from kotune.preview import gather
from kotune.preview import screen as preview_screen
from kotune.preview.gather import PreparedData, Seen
from kotune.preview.tables import tables
from kotune.preview.tokens import Piece, Shown, Spread, Tokens
from kotune.recipe import strict_yaml
from kotune.recipe.reading import load
from kotune.runs.folder import Run, write_text
from kotune.runs.job import Job
from kotune.runs.manifest import Manifest
from kotune.runs.proof import Content
from tests.conftest import ROOT, Cli, write_recipe
from tests.finished import MANIFEST
from tests.parity.test_proof import run_folder
from tests.test_cli import assert_one_message

QUICK = ROOT / "recipes" / "quickstart_llama.yml"
HUB_MODEL = "model: some/model\ndata:\n  - source: nli_sample\n"
NO_DATA = "model: quickstart-llama\ndata:\n  - source: klue_nli\n    path: absent\n"
SCRIPT = "<script>alert(1)</script>"


def seen(recipe: str, tokens: int, too_long: int = 0, strategy: str = "raise") -> Seen:
    """A model that needs so many tokens for 100 characters, and one example."""
    examples = Spread(
        number=10,
        median=20.5,
        p95=30,
        longest=40,
        sequence_len=35,
        too_long=too_long,
        excess_length_strategy=strategy,
    )
    pieces = [
        Piece("<s>", 1, False, True),
        Piece("뷁\n\n", 3, False, False),
        Piece(SCRIPT, 2, True, False),
        Piece("<e>", 1, True, True),
    ]
    content = Content(tokens=tokens, characters=100)
    shown = [Shown(SCRIPT, "klue_nli", "label", pieces)]
    return Seen(recipe, f"model-{recipe}", "own", Tokens(content, examples, shown))


def data(*sides: Seen, policy: str = "drop") -> PreparedData:
    entry = {
        "source": "klue_nli",
        "kept": {"train": 8, "validation": 2},
        "dropped": {"duplicate": 3, "leak": 1234},
        "labels": {"train": {SCRIPT: 6, "neutral": 2}, "validation": {"neutral": 2}},
    }
    leak = {"source": "klue_nli", "task": "nsmc_ko", "kind": "folded", "rows": 9, "texts": 3}
    between = [{"source": "nsmc", "task": "klue_nli_ko", "texts": 82}]
    leaks = {"policy": policy, "found": [leak], "between_tests": between}
    manifest = {**MANIFEST, "entries": [{**MANIFEST["entries"][0], **entry}], "leaks": leaks}
    return PreparedData(Manifest.model_validate(manifest), list(sides))


def screen(sets: list[PreparedData], language: str = "en", **terminal: Any) -> str:
    written = io.StringIO()
    console = Console(file=written, width=200, highlight=False, **terminal)
    preview_screen.show(sets, Phrases(language), console)
    return written.getvalue()


def page(sets: list[PreparedData], language: str) -> str:
    pytest.importorskip("jinja2")
    from kotune.preview import page as preview_page

    return preview_page.page(sets, Phrases(language))


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_the_trained_tokens_are_the_labels_of_the_data_that_axolotl_prepares(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("axolotl")
    from axolotl.cli.args import TrainerCliArgs
    from axolotl.cli.config import load_cfg
    from axolotl.common.datasets import load_datasets

    from kotune.preview import tokens

    monkeypatch.setenv("AXOLOTL_DATASET_NUM_PROC", "0")
    monkeypatch.chdir(run_folder(tmp_path, name))
    looked = tokens.describe(tmp_path, 12)
    prepared = load_datasets(cfg=load_cfg("axolotl.yml"), cli_args=TrainerCliArgs()).train_dataset
    tokenizer, _ = load_strategy(tmp_path / "axolotl.yml")

    def sides(row: dict[str, Any]) -> tuple[str, str, int, int]:
        answer = [label for label in row["labels"] if label != -100]
        return (
            tokenizer.decode(row["input_ids"]),
            tokenizer.decode(answer),
            len(row["input_ids"]),
            len(answer),
        )

    def shown(example: Shown) -> tuple[str, str, int, int]:
        trained = [piece for piece in example.pieces if piece.trained]
        return (
            "".join(piece.text for piece in example.pieces),
            "".join(piece.text for piece in trained),
            sum(piece.tokens for piece in example.pieces),
            sum(piece.tokens for piece in trained),
        )

    assert len(looked.shown) == 12
    assert sorted(map(shown, looked.shown)) == sorted(map(sides, prepared))


def test_lengths_and_tokens_a_character_are_those_of_every_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("axolotl")
    from kotune.preview import tokens

    monkeypatch.chdir(run_folder(tmp_path, "llama"))
    config = tmp_path / "axolotl.yml"
    tokenizer, strategy = load_strategy(config)
    rows = (
        read_rows(tmp_path / "data" / "train.jsonl", 12) * 2
    )  # the validation part of this folder is the same
    known = sorted(len(side.ids) for side in tokenize_rows(strategy, rows))
    write_text(
        config,
        config.read_text("utf-8").replace("sequence_len: 1024", f"sequence_len: {known[-1] - 1}"),
    )
    looked = tokens.describe(tmp_path, 1)
    assert looked.examples == Spread(
        number=24,
        median=(known[11] + known[12]) / 2,
        p95=known[22],
        longest=known[-1],
        sequence_len=known[-1] - 1,
        too_long=known.count(known[-1]),
        excess_length_strategy="raise",
    )
    said = [message["content"] for row in rows for message in row["messages"]]
    alone = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in said)
    assert looked.content == Content(tokens=alone, characters=sum(map(len, said)))
    monkeypatch.setattr(lengths, "SAMPLE", 9)  # of 24: every third one
    some = [
        message["content"] for row in [*rows[:12:3], *rows[12::3]] for message in row["messages"]
    ]
    assert (
        lengths.of_contents(tmp_path, tokenizer).characters
        == sum(map(len, some))
        < sum(map(len, said))
    )


def test_a_syllable_of_several_tokens_is_one_piece_on_one_side_of_the_border() -> None:
    transformers = pytest.importorskip("transformers")
    from kotune.models import presets
    from kotune.preview import tokens

    tokenizer = transformers.AutoTokenizer.from_pretrained(presets.PRESETS["quickstart-llama"].base)
    ids = tokenizer.encode("비가 뷁 온다", add_special_tokens=False)

    def cut(labels: list[int]) -> list[tuple[str, int]]:
        row = Trained("g", [], ids, labels)
        return [(piece.text, piece.tokens) for piece in tokens.pieces(row, tokenizer)]

    whole = cut([-100] * len(ids))
    assert "".join(text for text, _ in whole) == "비가 뷁 온다"
    at, count = next((at, count) for at, (text, count) in enumerate(whole) if text.endswith("뷁"))
    assert count > 1
    inside = sum(count for _, count in whole[:at]) + 1
    assert cut([-100] * inside + ids[inside:])[at][1] == 1


def test_a_text_of_what_half_a_character_decodes_to_is_cut_in_time() -> None:
    transformers = pytest.importorskip("transformers")
    from kotune.models import presets
    from kotune.preview import tokens

    class Counting:
        """Counts the tokens that are decoded."""

        def __init__(self, tokenizer: Any) -> None:
            self.tokenizer, self.decoded = tokenizer, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.tokenizer, name)

        def decode(self, ids: list[int], **more: Any) -> str:
            self.decoded += len(ids)
            return str(self.tokenizer.decode(ids, **more))

    tokenizer = Counting(
        transformers.AutoTokenizer.from_pretrained(presets.PRESETS["quickstart-llama"].base)
    )
    text = "비가 온다" + "\ufffd" * 1_000 + "뷁"
    ids = tokenizer.encode(text, add_special_tokens=False)
    cut = list(tokens.pieces(Trained("g", [], ids, [-100] * len(ids)), tokenizer))
    assert (
        "".join(piece.text for piece in cut) == text
        and sum(piece.tokens for piece in cut) == len(ids) > 3_000
    )
    assert tokenizer.decoded < 3 * tokens.MOST * len(ids)  # not their square


def test_rows_that_a_weight_repeats_are_shown_once(tmp_path: Path) -> None:
    rows = [
        {"source": "s", "form": "f", "guid": guid, "messages": [], "doc": "{}"} for guid in "aabbcc"
    ]
    write_text(tmp_path / "train.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [row["guid"] for row in read_rows(tmp_path / "train.jsonl", 2)] == ["a", "b"]


def test_recipes_with_the_same_data_share_it_and_others_do_not(tmp_path: Path) -> None:
    pytest.importorskip("datasketch")
    recipes = [load(QUICK), load(QUICK, ("model=quickstart-deepseek",)), load(QUICK, ("seed=1",))]
    jobs = [Job(recipe, Run(tmp_path / str(at)), "cpu", None) for at, recipe in enumerate(recipes)]
    for job in jobs:
        job.run.root.mkdir()
    groups = gather._prepared(jobs)
    assert [group.jobs for group in groups] == [jobs[:2], jobs[2:]]
    assert jobs[1].run.path("data").resolve() == jobs[0].run.path("data")
    assert not jobs[2].run.path("data").is_symlink()


def test_the_cost_of_korean_is_said_only_for_the_same_data() -> None:
    one, other, same = seen("a", 80), seen("b", 100), seen("c", 80)
    assert "model-b needs 1.25 times as many tokens as model-a for the same text." in screen(
        [data(one, other)]
    )
    assert "model-c and model-a need about as many tokens" in screen([data(one, same)])
    apart = screen([data(one), data(other)])
    assert "times as many" not in apart
    assert "not comparable" in apart


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ("raise", r"a run would stop.*axolotl\.sequence_len=40,"),
        ("drop", "dropped from training"),
        ("truncate", "cut off"),
    ],
)
def test_examples_that_do_not_fit_are_told_with_what_will_happen_to_them(
    strategy: str, told: str
) -> None:
    assert re.search(
        f"a: 7 examples are longer than sequence_len 35.*{told}",
        screen([data(seen("a", 80, 7, strategy))]),
    )
    assert "are longer than" not in screen([data(seen("a", 80))])


def test_counts_stand_in_the_tables() -> None:
    tokens, labels, dropped, leaks = tables(
        [data(seen("a", 80), seen("b", 100), policy="keep")], Phrases("en")
    )
    figures = {row[0]: row[1:] for row in tokens.rows}
    assert tokens.head == ("recipe", "a", "b")
    assert figures["tokens per character"] == ("0.800", "1.000")
    assert figures["tokens per example, median"] == ("20.5", "20.5")
    assert labels.rows == [
        ("klue_nli", SCRIPT, "6 (75.0%)", "0 (0.0%)"),
        ("klue_nli", "neutral", "2 (25.0%)", "2 (100.0%)"),
        ("klue_nli", "all", "8", "2"),
    ]
    assert ("klue_nli", "repeats test data of a scored task", "1,234") in dropped.rows
    assert leaks.rows == [
        ("klue_nli", "nsmc_ko", "equal except for spacing, punctuation, width and case", "9", "3")
    ]
    assert "too high" in leaks.notes[0]


def test_what_is_trained_is_marked_without_colour_too() -> None:
    sets = [data(seen("a", 80))]
    for plain in (
        screen(sets),
        screen(sets, force_terminal=True, color_system="standard", no_color=True),
    ):
        assert f"<s>▏뷁↵↵₃▏\n[[{SCRIPT}₂▏<e>]]" in plain
        assert "\x1b[3" not in plain
    assert f"\x1b[1;4;32m{SCRIPT}₂\x1b[0m" in screen(
        sets, force_terminal=True, color_system="standard"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_escapes_data_and_needs_no_network(language: str) -> None:
    made = page([data(seen(SCRIPT, 80, 1), seen("b", 100))], language)
    assert made.count("&lt;script&gt;") >= 6
    assert "<script" not in made
    assert not re.search(r"https?:|src=|url\((?!data:font)|@import|<link", made)
    assert f'<html lang="{language}">' in made
    assert made.count('<mark class="token trained">&lt;script&gt;') == 2
    assert "뷁↵↵<sub>3</sub></span>\n<mark" in made
    assert len(re.findall(r"<th\b", made)) == len(
        re.findall(r'<th scope="(?:col|row(?:group)?)"', made)
    )


def test_the_pages_colours_can_be_read() -> None:
    """WCAG 2.1's contrast ratio of text on its ground: 4.5 or more, in every one of the
    palettes."""
    style = (ROOT / "kotune" / "display" / "pages" / "base.html.jinja").read_text(encoding="utf-8")
    palettes = [
        dict(re.findall(r"--([\w-]+): #(\w{6})", found))
        for found in re.findall(r":root \{(.*?)\}", style, re.S)
    ]

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return sum(
            weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
        )

    pairs = [(text, ground) for text in ("text", "quiet") for ground in ("page", "block")]
    pairs += [
        ("special", "page"),
        ("special", "block"),
        ("trained", "trained-back"),
        ("quiet", "trained-back"),
    ]
    pairs += [("bad", "page"), ("bad", "block"), ("good", "page"), ("good", "block")]
    assert len(palettes) == 3
    for palette in palettes:
        for text, ground in pairs:
            low, high = sorted((luminance(palette[text]), luminance(palette[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, palette)


def test_all_languages_have_the_same_phrases_and_places() -> None:
    def places(phrases: dict[str, Any]) -> dict[str, Any]:
        return {
            key: (
                places(said)
                if isinstance(said, dict)
                else {name for _, name, _, _ in Formatter().parse(said) if name}
            )
            for key, said in phrases.items()
        }

    english, korean = (
        strict_yaml.load(ROOT / "kotune" / "display" / "phrases" / f"{language}.yml", 100_000)
        for language in LANGUAGES
    )
    # Cards are English themselves.
    assert (english.pop("card"), len(korean.pop("card")) > 0) == ({}, True)
    assert places(english) == places(korean)
    assert sorted(
        path.stem for path in (ROOT / "kotune" / "display" / "phrases").glob("*.yml")
    ) == sorted(LANGUAGES)


def test_every_reason_for_which_a_row_is_left_out_has_its_words() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "kodata").rglob("*.py"))
    )
    reasons = set(re.findall(r'Refused\("([^"]+)"\)|dropped\["([^"]+)"', source))
    told = strict_yaml.load(ROOT / "kotune" / "display" / "phrases" / "en.yml", limit=1_000_000)[
        "reasons"
    ]
    assert len(reasons) >= 8
    assert {one or other for one, other in reasons} <= told.keys()


def test_recipes_are_shown_side_by_side_as_the_documentation_says_and_kept_as_a_page(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("axolotl")
    rows = [
        {
            "guid": f"g{at}",
            "genre": "x",
            "premise": f"{at}번째 비가 온다. {SCRIPT}",
            "hypothesis": "날이 맑다.",
            "gold_label": "contradiction",
        }
        for at in range(40)
    ]
    for part, some in (("train", rows), ("dev", [{**rows[0], "premise": "딴 글이다."}])):
        write_text(tmp_path / "data" / f"klue-nli-v1.1_{part}.json", json.dumps(some))
    own = write_recipe(tmp_path, NO_DATA.replace("absent", "data"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    done = cli(
        "preview",
        QUICK,
        QUICK.with_stem("quickstart_deepseek"),
        own,
        "--items",
        "1",
        "--html",
        "kept.html",
    )
    assert (done.returncode, done.stderr) == (0, "")
    english, korean = (
        shown_in(ROOT / "docs" / name, title)
        for name, title in (("before_training.md", "Tokens"), ("before_training.ko.md", "토큰"))
    )
    said = [line.split() for line in done.stdout.splitlines()]
    for words in map(str.split, english):  # a table may have more columns than on the page
        assert any(line[: len(words)] == words for line in said), words
    assert numbers(korean) == numbers(english)
    assert done.stdout.count("]]\n") == 3
    kept = (tmp_path / "kept.html").read_text(encoding="utf-8")
    assert "<script" not in kept
    assert SCRIPT in html.unescape(re.sub("<[^>]+>", "", kept))
    assert kept.count('<div class="tokens keep"') == 3
    assert not list((tmp_path / "tmp").glob("kotune*"))
    assert {path.name for path in tmp_path.iterdir()} == {"data", "tmp", own.name, "kept.html"}


def shown_in(page: Path, title: str) -> list[str]:
    """The lines of output that a page shows of this command, without rules and gaps."""
    block = re.findall(rf"```\n({title}\n.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[0]
    return [line for line in block.splitlines() if line.strip("─ .")]


def numbers(lines: list[str]) -> list[str]:
    return sorted(re.findall(r"\d[\d,.]*\d|\d", "\n".join(lines)))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["absent.yml"], 2, "absent.yml: no such file"),
        ([QUICK, "--html", "."], 2, "--html .: is a folder; name a file"),
        ([QUICK, "--html", "absent/page.html"], 2, "there is no folder absent; create it"),
        ([QUICK, "--set", "axolotl.learning_rate=2e-4"], 2, "not a number; write 2.0e-4"),
        ([HUB_MODEL], 1, "some/model: not in the hub's cache, and HF_HUB_OFFLINE is set"),
        ([NO_DATA], 2, "data.0.path: `absent` does not exist"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(
    cli: Cli, tmp_path: Path, words: list[Any], code: int, told: str
) -> None:
    given = [
        write_recipe(tmp_path, word) if str(word).startswith("model:") else word for word in words
    ]
    before = sorted(tmp_path.iterdir())
    assert_one_message(cli("preview", *given), code, told)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("words", [["--items", "0"], ["--lang", "fr"], []])
def test_a_wrong_option_is_told_by_its_name(cli: Cli, words: list[str]) -> None:
    done = cli("preview", *([QUICK, *words] if words else []))
    assert done.returncode == 2
    assert (words[0] if words else "RECIPE...") in done.stderr
    assert "Traceback" not in done.stderr
