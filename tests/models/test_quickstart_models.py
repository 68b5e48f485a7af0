"""The two shipped quickstart models: small, whole, pretrained, and never shown the task."""

from __future__ import annotations

import json
import math
import re
from importlib.resources import files
from itertools import islice
from typing import Any

import pytest

from kodata import klue_nli
from kotune.models.quickstart import corpus, pretrain
from tests.conftest import ROOT

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

MODELS = {"quickstart_llama": "LlamaForCausalLM", "quickstart_deepseek": "Qwen2ForCausalLM"}
TEMPLATES = {"quickstart_llama": "llama3.jinja", "quickstart_deepseek": "deepseek_r1.jinja"}
ROOM = ROOT / "kotune" / "models"
DOCUMENTS = 4000
KOREAN = (
    "전제와 가설의 관계는 함의, 중립, 모순 중 무엇입니까?",
    "뷁 쀍 똠방각하 펲시콜라 힣 갂",
    '그는 "아니!"라며 😀👨‍👩‍👧 3,141.59원을\n\n\t냈다…  띄어쓰기   둘.',
    "韓國 ㅋㅋㅋ ㅠㅠ Ⅳ ½ café",
)


@pytest.fixture(scope="module", params=sorted(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tokenizer(name: str) -> Any:
    return transformers.AutoTokenizer.from_pretrained(ROOM / name)


@pytest.fixture(scope="module")
def model(name: str) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        ROOM / name, dtype=torch.float32
    ).eval()


def premises() -> list[str]:
    rows = json.loads((files("kodata.nli_sample") / "test.json").read_text("utf-8"))
    return [row["premise"] for row in rows[::3]]


def test_loads_as_the_class_of_its_family(name: str, model: Any) -> None:
    assert type(model).__name__ == MODELS[name]
    assert model.config.tie_word_embeddings == (name == "quickstart_llama")
    assert model.config.max_position_embeddings >= 1024


def test_weights_fit_the_size_that_may_be_shipped(name: str, model: Any) -> None:
    assert (ROOM / name / "model.safetensors").stat().st_size <= 6_000_000
    assert 0.8e6 <= model.num_parameters() <= 1.5e6
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_vocabulary_and_matrices_suit_four_bit_loading(model: Any, tokenizer: Any) -> None:
    assert model.config.vocab_size == len(tokenizer)
    sizes = {
        size
        for m in model.modules()
        if isinstance(m, torch.nn.Linear)
        for size in (m.in_features, m.out_features)
    }
    assert sizes and all(size % 32 == 0 for size in sizes), sizes


def test_special_tokens_are_single_and_padding_is_not_the_end_of_turn(tokenizer: Any) -> None:
    for token in tokenizer.all_special_tokens:
        assert tokenizer.encode(token, add_special_tokens=False) == [
            tokenizer.convert_tokens_to_ids(token)
        ]
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3
    assert tokenizer.encode("가")[0] == tokenizer.bos_token_id
    assert tokenizer.bos_token_id not in tokenizer.encode("가", add_special_tokens=False)


@pytest.mark.parametrize("text", KOREAN)
def test_any_text_decodes_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


@pytest.mark.parametrize("syllables", [range(0xAC00, 0xD7A4, 7)])
def test_every_kind_of_syllable_decodes_back(tokenizer: Any, syllables: range) -> None:
    text = "".join(map(chr, syllables))
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_label_words_are_one_token_each_after_the_chat_prompt(name: str, tokenizer: Any) -> None:
    template = (ROOM / "templates" / TEMPLATES[name]).read_text("utf-8")
    for label, word in klue_nli.LABELS.items():
        record = {"premise": "비가 왔다.", "hypothesis": "눈이 왔다.", "label": label}
        messages = klue_nli.messages(record, "label")
        whole = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
        asked = tokenizer.apply_chat_template(
            messages[:1], chat_template=template, tokenize=False, add_generation_prompt=True
        )
        prompt, ids = (tokenizer.encode(text, add_special_tokens=False) for text in (asked, whole))
        assert ids[: len(prompt)] == prompt and ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.convert_ids_to_tokens(ids[len(prompt) :])[1:] == [tokenizer.eos_token]
        assert tokenizer.decode(ids[len(prompt) : len(prompt) + 1]) == word


STAGES = [(pretrain.SEED + stage, shares) for stage, (shares, _) in enumerate(pretrain.STAGES)]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "shares"), STAGES)
def test_corpus_is_the_same_for_a_seed_and_never_holds_the_task(
    seed: int, shares: tuple[int, ...]
) -> None:
    texts, again = (
        [corpus.plain(document) for document in islice(corpus.documents(seed, shares), DOCUMENTS)]
        for _ in range(2)
    )
    assert texts == again
    whole = "\n".join(texts)
    assert not [wording for wording in corpus.FORBIDDEN if wording in whole]
    read = set(re.findall(rf"^(?:{'|'.join(corpus.TEXT_TAGS)}): ([^.\n]*\.)", whole, re.MULTILINE))
    assert len(read) > DOCUMENTS / 4 and not read & corpus.sample_premises()


@pytest.mark.parametrize(("seed", "shares"), STAGES)
def test_label_words_occur_in_word_tasks_alone(seed: int, shares: tuple[int, ...]) -> None:
    found = 0
    for document in islice(corpus.documents(seed, shares), DOCUMENTS):
        if any(word in corpus.plain(document) for word in klue_nli.LABELS.values()):
            ((asked, _),) = document.turns
            assert re.fullmatch(
                r"낱말: (\S+, ){2}\S+\n(첫째|둘째|셋째|마지막) 낱말은 무엇입니까\?", asked
            )
            found += 1
    assert found > DOCUMENTS / 50


def loss_of(model: Any, tokenizer: Any, texts: list[str]) -> float:
    losses = []
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([tokenizer.encode(f"{corpus.TEXT_TAGS[0]}: {text}")])
            losses.append(float(model(input_ids=ids, labels=ids).loss))
    return sum(losses) / len(losses)


@pytest.mark.slow  # a quarter of a minute each, of weights that are shipped as they are
def test_is_pretrained_on_such_sentences(model: Any, tokenizer: Any) -> None:
    untrained = transformers.AutoModelForCausalLM.from_config(model.config).eval()
    texts = premises()[:40]
    assert math.exp(loss_of(model, tokenizer, texts)) < 0.01 * math.exp(
        loss_of(untrained, tokenizer, texts)
    )


def test_thought_tags_are_text_that_decoding_keeps() -> None:
    """As in DeepSeek-R1-Distill, whose tokenizer.json calls neither of them special: lm_eval drops
    special tokens."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(ROOM / "quickstart_deepseek")
    ids = tokenizer.encode("<think>가</think>함의", add_special_tokens=False)
    assert [ids.count(tokenizer.convert_tokens_to_ids(tag)) for tag in ("<think>", "</think>")] == [
        1,
        1,
    ]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>가</think>함의"
