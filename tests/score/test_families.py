"""What several questions begin with is read once: the division into families saves most, and the
answers are lm_eval's."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from kotune.score.likelihood import reading
from kotune.score.likelihood.contexts import LEAST_SHARED, Request, families, questions
from tests.score import random_models
from tests.score.random_models import KINDS, SLIDING, ours, plain
from tests.score.test_shared import asked, assert_same

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("lm_eval")
BEGIN = list(range(5, 5 + LEAST_SHARED + 9))  # ids with which all questions of a test begin
FAR = 10**6


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of ids of each forward pass."""
    read, forward = list[int](), reading.forward

    def counting(lm: Any, ids: Any, *given: Any, **more: Any) -> Any:
        read.append(ids.numel())
        return forward(lm, ids, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "forward", counting)
        yield read


def tried(model: Any, **more: Any) -> Any:
    """A model that knows already what it can share."""
    made = ours(model, **more)
    made._loglikelihood_tokens([(None, [1], [2])], disable_tqdm=True)
    return made


def premises(number: int = 5, each: int = 3, after: int = 5) -> list[Request]:
    """Questions as of KLUE-NLI: a premise, one of its hypotheses, and three choices of one to two
    ids. Premises are of different lengths, and begin alike."""
    rng, found = random.Random(3), list[Request]()
    words = range(len(random_models.tokenizer()))
    for _ in range(number):
        premise = BEGIN + rng.choices(words, k=rng.randint(20, 40))
        for _ in range(each):
            context = premise + rng.choices(words, k=rng.randint(1, after))
            found += [(None, context, choice) for choice in ([5], [6, 7], [6, 8])]
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_a_premise_is_read_once_and_answers_are_those_of_lm_eval(
    kind: str, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, requests = random_models.model(kind), premises()
    mine = tried(model, batch_size=batch_size)
    with counted(monkeypatch) as read:
        found = mine._loglikelihood_tokens(requests, disable_tqdm=True)
    assert mine.shares
    assert_same(found, plain(model)._loglikelihood_tokens(requests, disable_tqdm=True))
    mine.most_with_prefix = 0
    with counted(monkeypatch) as alone:
        mine._loglikelihood_tokens(requests, disable_tqdm=True)
    if kind == "gemma3_text":  # padding would move its window of 8 ids
        assert read == alone
    else:
        assert sum(read) < 0.6 * sum(alone)


@pytest.mark.parametrize("kind", ["llama", "gemma3_text"])
def test_questions_with_one_beginning_are_one_family(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with examples in the prompt. The beginning is read once, however many batches there
    are."""
    requests = [(texts, [*BEGIN, *context], rest) for texts, context, rest in asked()]
    model = random_models.made(
        kind, sliding_window=256, **{"layer_types": SLIDING} if kind != "llama" else {}
    )
    mine = tried(model, batch_size=1)
    with counted(monkeypatch) as read:
        found = mine._loglikelihood_tokens(requests, disable_tqdm=True)
    assert read[0] == len(BEGIN)
    assert_same(found, plain(model)._loglikelihood_tokens(requests, disable_tqdm=True))
    mine.most_with_prefix = 0
    with counted(monkeypatch) as alone:
        mine._loglikelihood_tokens(requests, disable_tqdm=True)
    number = len(questions(requests, mine.max_length))
    assert sum(alone) - sum(read) >= (number - 2) * len(BEGIN) - len(BEGIN)


@pytest.mark.parametrize(("window", "shared_families"), [(30, 0), (60, 2), (67, 4), (90, 5)])
def test_a_window_that_a_row_does_not_fit_into_is_not_shared(
    window: int, shared_families: int
) -> None:
    model = random_models.made("gemma3_text", sliding_window=window, layer_types=SLIDING)
    mine, requests = tried(model, batch_size=8), premises()
    assert mine.most_with_prefix == window
    found = mine._loglikelihood_tokens(requests, disable_tqdm=True)
    assert mine.shares
    assert_same(found, plain(model)._loglikelihood_tokens(requests, disable_tqdm=True))
    of_window = families(questions(requests, FAR), window)
    assert all(family.width <= window for family in of_window if family.prefix)
    assert sum(bool(family.prefix) for family in of_window) == shared_families


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("mpt", {"max_seq_len": 128, "d_model": 64, "n_heads": 4, "n_layers": 2}),
        ("gpt2", {"n_positions": 128}),
        (
            "gpt_neo",
            {
                "max_position_embeddings": 128,
                "attention_types": [[["global", "local", "local"], 1]],
                "window_size": 48,
            },
        ),
    ],
    ids=["ALiBi", "learned positions", "local attention that no cache shows"],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_contexts_alone_are_shared_without_rotary_positions(
    kind: str, sizes: dict[str, Any], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Padding after a prefix would count as distance in two of them. In bfloat16 the test requests
    alone would not show it."""
    model = random_models.made(kind, **sizes).to(getattr(torch, dtype))
    mine, requests = tried(model, batch_size=8, max_length=128), premises()
    with counted(monkeypatch) as read:
        found = mine._loglikelihood_tokens(requests, disable_tqdm=True)
    assert mine.shares and mine.most_with_prefix == 0
    assert len(BEGIN) not in read
    if dtype == "float32":
        theirs = plain(model, max_length=128)._loglikelihood_tokens(requests, disable_tqdm=True)
        assert_same(found, theirs)


def test_a_long_question_does_not_take_the_prefix_from_the_others() -> None:
    of_premise = [(None, [*BEGIN, 1], [7]), (None, [*BEGIN, 2, 3], [7])]
    long = (None, [*BEGIN, *range(40, 90)], [7])
    first, second = families(questions([*of_premise, long], FAR), len(BEGIN) + 10)
    assert first.prefix == tuple(BEGIN) and len(first.questions) == 2
    assert second.prefix == () and len(second.questions) == 1


@pytest.mark.parametrize("kept", [250, 400, 700])
def test_memory_that_runs_out_with_prefixes_kept_changes_no_answer(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prefixes are read again for a smaller batch. `kept`: ids whose keys and values there is
    room for, of the prefixes and of a batch."""
    model, requests = random_models.model("llama"), premises(number=9)
    mine, forward, held = tried(model, batch_size=8), reading.forward, [0]

    def small(lm: Any, ids: Any, mask: Any, *given: Any, **more: Any) -> Any:
        is_prefix = "past_key_values" not in more
        held[0] = 0 if is_prefix else held[0]
        if held[0] + mask.numel() > kept:
            raise torch.OutOfMemoryError("CUDA out of memory")
        held[0] = mask.numel() if is_prefix else held[0]
        return forward(lm, ids, mask, *given, **more)

    monkeypatch.setattr(reading, "forward", small)
    found = mine._loglikelihood_tokens(requests, disable_tqdm=True)
    assert mine.batch_size_per_gpu < 8
    monkeypatch.undo()
    assert_same(found, plain(model)._loglikelihood_tokens(requests, disable_tqdm=True))


def test_a_prefix_leaves_an_id_of_every_context() -> None:
    def of(*contexts: list[int]) -> list[tuple[int, ...]]:
        asked_of = questions([(None, ids, [7, 8]) for ids in contexts], FAR)
        return [family.prefix for family in families(asked_of, FAR)]

    begin = list(range(LEAST_SHARED))
    assert of([*begin, 1, 2], [*begin, 1, 3]) == [(*begin, 1)]
    assert of([*begin, 1], [*begin, 1, 3]) == [(*begin,)]
    assert of(begin, [*begin, 3]) == of(begin[1:], begin) == [(), ()]
    assert of(begin) == [()] and of() == []


def fewest(contexts: Sequence[Sequence[int]]) -> int:
    """The fewest ids that can be read if neighbours are divided into families, by trying all."""
    best = [0]
    for stop in range(1, len(contexts) + 1):
        of_last = []
        for start in range(stop):
            members = contexts[start:stop]
            same = 0
            while all(same < len(ids) - 1 and ids[same] == members[0][same] for ids in members):
                same += 1
            saved = (len(members) - 1) * same if same >= LEAST_SHARED else 0
            of_last.append(best[start] + sum(map(len, members)) - saved)
        best.append(min(of_last))
    return best[-1]


@pytest.mark.parametrize("seed", range(20))
def test_no_other_division_reads_much_less(seed: int) -> None:
    rng = random.Random(seed)
    begins = [rng.choices(range(3), k=LEAST_SHARED + 4) for _ in range(2)]
    begins += [[*begins[0], *rng.choices(range(3), k=rng.randint(1, 30))] for _ in range(3)]
    contexts = sorted(
        {(*rng.choice(begins), *rng.choices(range(3), k=rng.randint(1, 6))) for _ in range(14)}
    )
    asked_of = questions([(None, [*ids], [7]) for ids in rng.sample(contexts, len(contexts))], FAR)
    found = families(asked_of, FAR)
    read = sum(len(family.prefix) + sum(len(q.own) for q in family.questions) for family in found)
    assert read <= 1.05 * fewest(contexts) < sum(map(len, contexts))
    members = [question for family in found for question in family.questions]
    assert sorted(question.trunk for question in members) == contexts
    for family in found:
        assert all(q.trunk[: q.prefix] == family.prefix for q in family.questions)


def test_premises_are_families_of_their_hypotheses() -> None:
    found = families(questions(premises(), FAR), FAR)
    assert [len(family.questions) for family in found] == [3] * 5
    assert all(len(family.prefix) >= len(BEGIN) + 20 for family in found)
