"""Tokenizers built from the tokens of a small GGUF file, which these tests write themselves."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.real import convert
from tests.real.tokenizers_of import (
    CONTROL,
    NORMAL,
    USER_DEFINED,
    Vocabulary,
    byte_level,
    merges,
    sentencepiece,
)

pytest.importorskip("tokenizers")
BYTE = 6
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]
BYTES = [f"<0x{number:02X}>" for number in range(256)]
# Longer tokens first, as in SentencePiece: a token with a lower id is merged first.
WORDS = ["한국", "국의", "▁수", "▁수도", "가나", "나다"]
LETTERS = ["▁", *"한국의수도가나다"]
GEMMA = Vocabulary(
    [*SPECIAL, "  ", *BYTES, *WORDS, *LETTERS],
    [*[CONTROL] * 4, USER_DEFINED, *[BYTE] * 256, *[NORMAL] * (len(WORDS) + len(LETTERS))],
)


def gemma() -> Any:
    return sentencepiece(GEMMA, "<bos>", "<unk>")


def test_each_split_of_a_token_into_two_tokens_is_a_merge_in_the_order_of_ids() -> None:
    assert merges(GEMMA) == [
        ("한", "국"),
        ("국", "의"),
        ("▁", "수"),
        ("▁수", "도"),
        ("가", "나"),
        ("나", "다"),
    ]


def test_two_splits_of_one_token_are_ordered_by_the_ids_of_their_parts() -> None:
    tokens = ["abc", "bc", "ab", "a", "b", "c"]
    assert merges(Vocabulary(tokens, [NORMAL] * 6)) == [
        ("ab", "c"),
        ("a", "bc"),
        ("b", "c"),
        ("a", "b"),
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("한국의 수도", ["<bos>", "한국", "의", "▁수도"]),
        ("가나다", ["<bos>", "가나", "다"]),
        ("한  국", ["<bos>", "한", "  ", "국"]),
        ("<eos>한국", ["<bos>", "<eos>", "한국"]),
        ("뷁", ["<bos>", "<0xEB>", "<0xB7>", "<0x81>"]),
    ],
)
def test_sentencepiece_merges_words_begins_with_bos_and_reads_unknown_letters_as_bytes(
    text: str, tokens: list[str]
) -> None:
    assert gemma().encode(text).tokens == tokens


def test_sentencepiece_decodes_what_it_encodes() -> None:
    made = gemma()
    for text in ("한국의 수도", "가  나 뷁다"):
        ids = made.encode(text, add_special_tokens=False).ids
        assert made.decode(ids, skip_special_tokens=False) == text


def test_byte_level_reads_digits_one_at_a_time_and_decodes_korean() -> None:
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|im_start|>", "<|im_end|>", *letters, "12", "ab"]
    types = [CONTROL, CONTROL, *[NORMAL] * (len(letters) + 2)]
    made = byte_level(Vocabulary(tokens, types, ["1 2", "a b"]))
    assert made.encode("ab12<|im_end|>").tokens == ["ab", "1", "2", "<|im_end|>"]
    ids = made.encode("값이 12원").ids
    assert made.decode(ids, skip_special_tokens=False) == "값이 12원"


def test_a_wrong_tokenizer_is_refused() -> None:
    of = pytest.importorskip("transformers").PreTrainedTokenizerFast
    made = of(tokenizer_object=gemma(), eos_token="<eos>")
    convert.check(made, GEMMA, ("한국", " 수도"))
    with pytest.raises(ValueError, match=r"not one token each: \['국의 '\]"):
        convert.check(made, GEMMA, ("한국", "국의 "))
    with pytest.raises(ValueError, match="277 tokens, but the file has 276: a special"):
        convert.check(of(tokenizer_object=gemma(), eos_token="<end>"), GEMMA)
    without_bytes = Vocabulary([*SPECIAL, *WORDS, *LETTERS], [CONTROL] * 4 + [NORMAL] * 15)
    lossy = sentencepiece(without_bytes, "<bos>", "<unk>")
    with pytest.raises(ValueError, match="does not decode back"):
        convert.check(of(tokenizer_object=lossy, eos_token="<eos>"), without_bytes)


def test_pieces_are_joined_in_order_and_their_sha256_is_checked(tmp_path: Path) -> None:
    for name, content in (("b.part01", b"def"), ("a.part00", b"abc")):
        (tmp_path / name).write_bytes(content)
    sha256 = hashlib.sha256(b"abcdef").hexdigest()
    checkpoint = convert.CHECKPOINTS[0]._replace(pieces="*.part*", sha256=sha256)
    convert.join(checkpoint, tmp_path, tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"abcdef"
    (tmp_path / "a.part00").write_bytes(b"abd")
    with pytest.raises(ValueError, match=r"gemma-3-270m: .* does not have the expected files"):
        convert.join(checkpoint, tmp_path, tmp_path / "whole")
