"""Builds tokenizers from the tokens of a GGUF file.

transformers (5.16) reads both files of tests.real.convert, but returns wrong tokenizers. Gemma's
becomes a Unigram model without BOS, which reads Korean one syllable at a time. SmolLM2's gets
`<|im_start|>` as its EOS token."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # token types of GGUF; 6 is a byte
SPACE = "▁"


class Vocabulary(NamedTuple):
    """The tokens of a GGUF file in the order of their ids, the type of each, and the merges as
    `left right`. The file of a SentencePiece model has no merges."""

    tokens: Sequence[str]
    types: Sequence[int]
    merges: Sequence[str] = ()

    def of_type(self, kind: int) -> list[str]:
        """The tokens of a type, in the order of their ids."""
        pairs = zip(self.tokens, self.types, strict=True)
        return [token for token, type_ in pairs if type_ == kind]


def merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """The merges of a SentencePiece BPE model, whose file only has the tokens. Each split of a
    normal token into two normal tokens is a merge. A token with a lower id is merged first."""
    normal = _normal_ids(vocabulary)
    found = [merge for token in normal for merge in _splits(token, normal)]
    found.sort(key=lambda pair: (normal[pair[0] + pair[1]], normal[pair[0]], normal[pair[1]]))
    return found


def _normal_ids(vocabulary: Vocabulary) -> dict[str, int]:
    rows = enumerate(zip(vocabulary.tokens, vocabulary.types, strict=True))
    return {token: number for number, (token, kind) in rows if kind == NORMAL}


def _splits(token: str, normal: dict[str, int]) -> Iterator[tuple[str, str]]:
    for border in range(1, len(token)):
        left, right = token[:border], token[border:]
        if left in normal and right in normal:
            yield left, right


def sentencepiece(vocabulary: Vocabulary, bos: str, unknown: str) -> Any:
    """A tokenizer of Gemma's kind: BPE on characters, with single bytes for unknown characters.
    Spaces are part of tokens. Each text begins with BOS."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(
        models.BPE(
            vocab=_ids(vocabulary),
            merges=merges(vocabulary),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    made.normalizer = normalizers.Replace(" ", SPACE)
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos} $B",
        special_tokens=[(bos, vocabulary.tokens.index(bos))],
    )
    return _with_added(made, vocabulary)


def byte_level(vocabulary: Vocabulary) -> Any:
    """A tokenizer of SmolLM2's kind: BPE on bytes, with one token a digit. Nothing is put before a
    text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pairs = [(left, right) for left, _, right in (m.partition(" ") for m in vocabulary.merges)]
    made = Tokenizer(models.BPE(vocab=_ids(vocabulary), merges=pairs))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    return _with_added(made, vocabulary)


def _ids(vocabulary: Vocabulary) -> dict[str, int]:
    return {token: number for number, token in enumerate(vocabulary.tokens)}


def _with_added(made: Any, vocabulary: Vocabulary) -> Any:
    """The tokenizer with its control tokens as special tokens. Tokens that a file calls
    user-defined, such as runs of spaces, are always matched whole."""
    from tokenizers import AddedToken

    whole = vocabulary.of_type(USER_DEFINED)
    made.add_tokens([AddedToken(token, normalized=False) for token in whole])
    control = vocabulary.of_type(CONTROL)
    made.add_special_tokens([AddedToken(token, normalized=False) for token in control])
    return made
