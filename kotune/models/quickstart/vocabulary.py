"""Builds the two byte-level BPE tokenizers. Each has the split pattern and special tokens of its
model family, and a small vocabulary of its own.

Guarantees:

- The tokens of any text decode to exactly this text, because the alphabet is bytes.
- Every special token is one id.
- `add_special_tokens` adds one BOS token, as the tokenizers of the real models do.
- The padding token differs from the end-of-turn token. Otherwise training would ignore the
  end-of-turn token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from kodata.nli_sample import words
from kotune.models.quickstart import corpus

if TYPE_CHECKING:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

VOCABULARY_SIZE = 1120
TEMPLATE_WORDS = ("user", "assistant", "system", "\n\n")
TRAINING_DOCUMENTS = 5_000  # documents of the corpus on which merges are learned
# Each of these tags is one token. They are not special tokens, so decoding keeps them, as in
# DeepSeek-R1-Distill.
THOUGHT = ("<think>", "</think>")
# Syllables that are added to those of the corpus, so that other Korean text is not split into
# bytes.
COMMON_SYLLABLES = (
    "가각간갈감갑강같개거건걸것게겨격견결경계고곡곤골공과관광교구국군굴권귀규그극근글금급기긴길김까께꼭꿈끝나난날남내너널네녀년노녹"
    "논놀높누눈는늘능니님다단달담당대더덕던데도독돈돌동되된될두둘뒤드든들등때떠또라란람랑래량러런럼레려력련령례로록론료루류르른를름릉리"
    "린림립마막만많말망매머먹먼메며면명모목못무문물미민밀바박반받발밤방배백번벌법베변별병보복본부북분불브비빛사산살상새색생서석선설성"
    "세소속손송수숙순술쉬스습승시식신실심십싸아악안알암압앞애야약양어억언얼업없에여역연열영예오온올와완왕외요용우운울움원월위유육은"
    "을음응의이인일임입있자작잔잘장재저적전절점정제조족존종좋주준중즉증지직진질집짜쪽차착참창채책처천철첫청체초촌총최추축출충취층치친"
    "카코크타태터테토통투특트파판편평포표품프피필하학한할함합항해행향허험현형호혼화확환활황회효후흐희히힘"
)


class Family(NamedTuple):
    """The settings in which the two model families differ. `split` is the pattern that splits text
    before BPE. The other fields are special tokens."""

    split: str
    bos: str
    eos: str
    pad: str
    special: tuple[str, ...]


FAMILIES = {
    "llama": Family(
        split=(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
            r" ?[^\s\p{L}\p{N}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        pad="<|finetune_right_pad_id|>",
        special=(
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
            "<|finetune_right_pad_id|>",
        ),
    ),
    "qwen": Family(
        split=(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        bos="<｜begin▁of▁sentence｜>",
        eos="<｜end▁of▁sentence｜>",
        pad="<|endoftext|>",
        special=(
            "<｜begin▁of▁sentence｜>",
            "<｜end▁of▁sentence｜>",
            "<｜User｜>",
            "<｜Assistant｜>",
            *THOUGHT,
            "<|endoftext|>",
        ),
    ),
}


def pieces() -> Iterator[str]:
    """Pieces of the corpus, split at spaces, nouns and endings. Merges are learned within a piece,
    so no token joins a noun with its particle, or a stem with its ending. A small model then learns
    a noun once, and not again for each particle."""
    nouns = "|".join(
        [
            *words.every_noun(),
            *corpus.ABSTRACT,
            *(word for answers in corpus.ANSWERS for word in answers.values()),
        ]
    )
    cut = re.compile(rf"( ?(?:{nouns}))|((?:습니까|지만|다고|라고|보다|다)(?=[ .?]))|([.,:?\n]+)")
    for document in islice(corpus.documents(seed=1), TRAINING_DOCUMENTS):
        for piece in cut.split(corpus.plain(document)):
            yield from re.findall(r" ?[^ ]+", piece or "")


def word_merges(room: int) -> tuple[list[str], list[tuple[str, str]]]:
    """The syllables of the corpus, and the merges that build words from syllables, most frequent
    first. `room` is the maximum number of syllables and merges together."""
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=room, show_progress=False)  # type: ignore[no-untyped-call]
    tokenizer.train_from_iterator(pieces(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return [token for token in model["vocab"] if len(token) == 1], [
        tuple(pair) for pair in model["merges"]
    ]


def byte_model(special: tuple[str, ...]) -> models.BPE:
    """A byte-level BPE model whose merges first build whole syllables and then words. `special`:
    the tokens that get the first ids.

    Ordinary merges of bytes would join the end of one syllable with the start of the next. They
    would also split a word differently before different particles."""
    from tokenizers import models, pre_tokenizers

    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def spelled(text: str) -> str:
        return str(to_bytes.pre_tokenize_str(text)[0][0])

    syllables, joins = word_merges(VOCABULARY_SIZE)
    vocabulary = dict.fromkeys([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])
    merges: dict[tuple[str, str], None] = {}

    def add(left: str, right: str) -> None:
        if len(vocabulary) < VOCABULARY_SIZE or left + right in vocabulary:
            merges.setdefault((left, right))
            vocabulary.setdefault(left + right)

    def add_syllables(added: Iterable[str]) -> None:
        for syllable in added:
            for end in range(1, len(spelled(syllable))):
                add(spelled(syllable)[:end], spelled(syllable)[end])

    add_syllables(TEMPLATE_WORDS)
    add_syllables(syllables)
    for left, right in joins:
        add(spelled(left), spelled(right))
    add_syllables(COMMON_SYLLABLES)
    return models.BPE({token: index for index, token in enumerate(vocabulary)}, list(merges))


def trained(family: Family) -> Tokenizer:
    """The BPE tokenizer of a family, trained on the corpus."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, processors

    tokenizer = Tokenizer(byte_model(family.special))
    tokenizer.add_special_tokens([token for token in family.special if token not in THOUGHT])
    tokenizer.add_tokens(
        [AddedToken(token, normalized=False) for token in THOUGHT if token in family.special]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(family.split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    bos = tokenizer.token_to_id(family.bos)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{family.bos} $A",
        pair=f"{family.bos} $A {family.bos} $B",
        special_tokens=[(family.bos, bos)],
    )
    return tokenizer


def build(family: Family) -> PreTrainedTokenizerFast:
    """The tokenizer of a family as an object of transformers. Its class is the generic one, because
    transformers' Llama class would lose Korean bytes."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained(family),
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.pad,
        additional_special_tokens=[
            t for t in family.special if t not in (family.bos, family.eos, family.pad, *THOUGHT)
        ],
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )
    assert len(tokenizer) == VOCABULARY_SIZE, len(tokenizer)
    return tokenizer
