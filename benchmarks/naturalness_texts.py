"""The texts of the naturalness battery: pairs, script lines, and damage made by a program.

All text was written for this project. Half of it is held out: no rule may be changed by looking at
that half. `held_out` in the files is what `draw_held_out` gives, so that the split can be checked.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

TEXTS = Path(__file__).parent.parent / "kodata" / "metrics" / "naturalness"
# Lines of an earlier version, by which rules were made before there was a held-out half.
EARLIER = "first-"

Row = dict[str, Any]


def read_rows(name: str) -> list[Row]:
    """The rows of pairs.jsonl or scripts.jsonl."""
    text = (TEXTS / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def draw_held_out(rows: Sequence[Row], *fields: str) -> set[str]:
    """The guids of the held-out half: every second row, sorted by `fields` and then by a digest of
    the guid. So each value of the fields is divided evenly. Earlier lines are never held out."""

    def key(row: Row) -> list[str]:
        digest = blake2b(row["guid"].encode(), digest_size=8).hexdigest()
        return [*(str(row[field]) for field in fields), digest]

    drawn = sorted((row for row in rows if not row["guid"].startswith(EARLIER)), key=key)
    return {row["guid"] for row in drawn[1::2]}


def read_pairs(held_out: bool, fault: str | None = None) -> list[tuple[str, str]]:
    """(natural, unnatural) of one half of the pairs, of one fault or of all."""
    return [
        (row["natural"], row["unnatural"])
        for row in read_rows("pairs")
        if row["held_out"] == held_out and fault in (None, row["fault"])
    ]


def faults() -> list[str]:
    """The kinds of faults, in the order of the file."""
    return list(dict.fromkeys(row["fault"] for row in read_rows("pairs")))


# ---- damage


def typo(text: str, chance: random.Random) -> str:
    """Give one syllable in eight another vowel."""
    positions = [index for index, letter in enumerate(text) if "가" <= letter <= "힣"]
    letters = list(text)
    for index in chance.sample(positions, max(1, len(positions) // 8)):
        initial, rest = divmod(ord(letters[index]) - 0xAC00, 588)
        vowel, final = divmod(rest, 28)
        letters[index] = chr(
            0xAC00 + initial * 588 + (vowel + chance.randrange(1, 21)) % 21 * 28 + final
        )
    return "".join(letters)


def wrong_josa(text: str, chance: random.Random) -> str:
    """Give every 은/는, 이/가, 을/를 and 과/와 at the end of a word its other form."""
    other = dict(zip("은는이가을를과와", "는은가이를을와과", strict=True))
    return re.sub(r"(?<=\w)[은는이가을를과와](?=\s)", lambda match: other[match[0]], text)


def word_salad(text: str, chance: random.Random) -> str:
    """Shuffle the words."""
    return " ".join(chance.sample(text.split(), len(text.split())))


def lost_spaces(text: str, chance: random.Random) -> str:
    """Remove every third space."""
    positions = [index for index, letter in enumerate(text) if letter == " "]
    removed = set(chance.sample(positions, max(1, len(positions) // 3))) if positions else set()
    return "".join(letter for index, letter in enumerate(text) if index not in removed)


def stray_spaces(text: str, chance: random.Random) -> str:
    """Break every third word in two."""
    words = text.split()
    long = [index for index, word in enumerate(words) if len(word) > 2]
    for index in chance.sample(long, min(len(long), max(1, len(words) // 3))):
        cut = chance.randrange(1, len(words[index]) - 1)
        words[index] = f"{words[index][:cut]} {words[index][cut:]}"
    return " ".join(words)


def cut_off(text: str, chance: random.Random) -> str:
    """Stop somewhere in the second half."""
    return text[: chance.randrange(len(text) // 2, len(text) - 2)]


def looped(text: str, chance: random.Random) -> str:
    """Write the last sentence three times."""
    start = text.rstrip(".").rfind(". ") + 1
    return text + text[start:] * 2


Damage = Callable[[str, random.Random], str]
DAMAGE: tuple[Damage, ...] = (typo, wrong_josa, word_salad, lost_spaces, stray_spaces)


def damage_all(damage: Damage, texts: Sequence[str]) -> list[str]:
    """The damaged texts. What chance does to a text depends on the text alone."""
    return [damage(text, random.Random(text)) for text in texts]


def damaged(damage: Damage) -> list[tuple[str, str]]:
    """(natural, damaged) for the natural side of all pairs that the damage changes."""
    natural = [row["natural"] for row in read_rows("pairs")]
    pairs = zip(natural, damage_all(damage, natural), strict=True)
    return [(text, other) for text, other in pairs if text != other]
