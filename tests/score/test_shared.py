"""Log-likelihoods with shared contexts are lm_eval's own: ids, order, values, and what its cache is
told."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kodata import SOURCES
from kotune.errors import StageError
from kotune.runs.task_data import TaskData
from kotune.score.likelihood import reading, shared
from kotune.score.likelihood.contexts import Request
from kotune_tasks.card import cards, settings
from tests.conftest import ROOT
from tests.score import random_models
from tests.score.random_models import KINDS, WINDOW, ours, plain

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("lm_eval")
NATS = 1e-4  # in float32
SAMPLES = ROOT / "kodata" / "samples"
CHOSEN = [
    card
    for card in cards().values()
    if settings(card.name)["output_type"] == "multiple_choice"
    and ((SAMPLES / card.source).is_dir() or SOURCES[card.source].CARD.hub_id is None)
]


def asked(seed: int = 1) -> list[Request]:
    """Questions of one to four choices, short and longer than a window; some begin alike, some are
    asked twice."""
    rng, found = random.Random(seed), list[Request]()
    words = range(len(random_models.tokenizer()))
    for number in range(16):
        context = rng.choices(words, k=rng.choice([1, 3, WINDOW - 1, WINDOW, 2 * WINDOW + 1, 40]))
        alike = rng.choice([[], [5, 6]])
        for choice in range(rng.choice([1, 3, 4])):
            continuation = alike + rng.choices(words, k=rng.choice([1, 1, 2, 5]))
            found.append(((f"context {number}", f"choice {choice}"), context, continuation))
    rng.shuffle(found)
    return [*found, found[0], (None, [3], [7, 8, 9])]


def greedy(model: Any, context: list[int], length: int) -> list[int]:
    """What the model itself would write."""
    ids = list(context)
    with torch.no_grad():
        for _ in range(length):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(context) :]


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    assert [is_likeliest for _, is_likeliest in ours] == [
        is_likeliest for _, is_likeliest in theirs
    ]
    assert [value for value, _ in ours] == pytest.approx(
        [value for value, _ in theirs], abs=NATS, rel=0
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_length", [None, 12], ids=["whole", "cut on the left"])
def test_answers_are_those_of_lm_eval(kind: str, max_length: int | None) -> None:
    model, requests = random_models.model(kind), asked()
    requests += [(None, context, greedy(model, context, 3)) for context in ([5], [*range(1, 8)])]
    mine, theirs = ours(model, max_length=max_length), plain(model, max_length=max_length)
    found = mine._loglikelihood_tokens(requests, disable_tqdm=True)
    assert mine.shares
    assert_same(found, theirs._loglikelihood_tokens(requests, disable_tqdm=True))
    assert sum(is_likeliest for _, is_likeliest in found) >= 2
    # No model that answers everything alike.
    assert len({round(value, 2) for value, _ in found}) > 30


@pytest.mark.parametrize("card", CHOSEN, ids=lambda card: card.name)
def test_every_task_with_choices_is_scored_as_by_lm_eval(card: Any) -> None:
    from kotune.score.harness import load_task

    folder = SAMPLES / card.source
    task = load_task(card.name, TaskData(folder if folder.is_dir() else None))
    for kind in KINDS:
        model = random_models.model(kind)
        scored = [
            task.evaluate(made, 4)["samples"][card.name] for made in (ours(model), plain(model))
        ]
        mine, theirs = (
            [answer for item in items for answer in item["filtered_resps"]] for items in scored
        )
        assert len(mine) > 4
        assert_same(mine, theirs)
        assert [item["acc"] for item in scored[0]] == [item["acc"] for item in scored[1]]


def test_the_adapter_counts_where_it_is_on_and_only_there() -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(
        r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
    )
    model = peft.get_peft_model(random_models.made("llama"), config).eval()
    mine, theirs, found = ours(model), plain(model), []
    for is_on in (True, False):
        with nullcontext() if is_on else model.disable_adapter():
            found.append(mine._loglikelihood_tokens(asked(), disable_tqdm=True))
            assert_same(found[-1], theirs._loglikelihood_tokens(asked(), disable_tqdm=True))
    assert mine.shares and found[0] != found[1]


def test_a_text_that_is_scored_in_windows_is_as_by_lm_eval() -> None:
    model = random_models.model("qwen3")
    requests = [SimpleNamespace(args=(text,)) for text in ("비가 온다. " * 9, "눈")]
    found = [
        made.loglikelihood_rolling(requests, disable_tqdm=True)
        for made in (ours(model, max_length=16), plain(model, max_length=16))
    ]
    assert found[0] == pytest.approx(found[1], abs=NATS, rel=0)


class Told:
    """What lm_eval's cache is told."""

    def __init__(self) -> None:
        self.partial: list[Any] = []

    def add_partial(self, kind: str, request: Any, answer: Any) -> None:
        self.partial.append((kind, request, round(answer[0], 2), answer[1]))


def test_the_cache_is_told_of_every_answer_once() -> None:
    told = []
    for made in (ours(random_models.model("llama")), plain(random_models.model("llama"))):
        made.cache_hook = Told()
        made._loglikelihood_tokens(asked(), disable_tqdm=True)
        told.append(sorted(made.cache_hook.partial))
    assert told[0] == told[1] and len(told[0]) == len(asked()) - 1


@contextmanager
def watched(model: Any) -> Iterator[tuple[list[Any], list[int]]]:
    """The ids [row, id] of each forward pass, and at how many positions of it the vocabulary is
    predicted."""
    ids: list[Any] = []
    heads: list[int] = []
    hooks = [
        model.register_forward_pre_hook(
            lambda _, __, named: ids.append(named["input_ids"]), with_kwargs=True
        ),
        model.lm_head.register_forward_pre_hook(
            lambda _, given: heads.append(given[0].shape[:2].numel())
        ),
    ]
    try:
        yield ids, heads
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize(
    ("choices", "passes", "predicted"),
    [
        ([[5], [6], [7]], [(1, 20)], [1]),  # one id each: the last of the context predicts all
        ([[9, 5], [9, 6], [9, 7]], [(1, 21)], [2]),  # what they have in common is read once
        ([[5, 1], [6, 1], [7, 1]], [(1, 20), (3, 1)], [1, 3]),
        (
            [[5, 1, 2], [6], [5, 1, 3]],
            [(1, 20), (1, 2)],
            [1, 2],
        ),  # two that differ in what is only predicted are one row
        ([[5, 6, 7, 8]], [(1, 23)], [4]),  # one choice has nothing to share
    ],
)
def test_a_context_is_read_once_and_the_vocabulary_is_predicted_where_it_counts(
    choices: list[list[int]], passes: list[tuple[int, int]], predicted: list[int]
) -> None:
    model = random_models.model("llama")
    made, requests = ours(model), [(None, [*range(1, 21)], choice) for choice in choices]
    # It finds out that contexts can be shared.
    made._loglikelihood_tokens(requests[:1], disable_tqdm=True)
    with watched(model) as (ids, heads):
        found = made._loglikelihood_tokens(requests, disable_tqdm=True)
    assert [tuple(one.shape) for one in ids] == passes and heads == predicted
    assert_same(found, plain(model)._loglikelihood_tokens(requests, disable_tqdm=True))


def test_batches_keep_to_what_the_batch_size_has_room_for() -> None:
    model = random_models.model("llama")
    made = ours(model, batch_size=2)
    made._loglikelihood_tokens(asked(), disable_tqdm=True)
    with watched(model) as (ids, heads):
        made._loglikelihood_tokens(asked(), disable_tqdm=True)
    room = reading.ON_CPU
    assert max(one.numel() for one in ids) <= 2 * room.read and max(heads) <= 2 * room.predict
    made.batch_size_per_gpu = 64
    with watched(model) as (fewer, _):
        made._loglikelihood_tokens(asked(), disable_tqdm=True)
    assert len(fewer) < len(ids)


def recurrent() -> Any:
    """A model without keys and values."""
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(3)
    return MambaForCausalLM(
        MambaConfig(
            vocab_size=len(random_models.tokenizer()),
            hidden_size=32,
            num_hidden_layers=2,
            state_size=4,
        )
    ).eval()


def with_an_encoder() -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(3)
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(random_models.tokenizer()),
            d_model=32,
            d_kv=8,
            d_ff=32,
            num_layers=2,
            num_heads=2,
            decoder_start_token_id=0,
        )
    ).eval()


def prompt_tuned() -> Any:
    """An adapter that puts rows of its own before what is read, where no position of ours is
    right."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(3)
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    return peft.get_peft_model(random_models.made("llama"), config).eval()


@pytest.mark.parametrize(
    "build", [recurrent, with_an_encoder, prompt_tuned], ids=lambda build: build.__name__
)
def test_a_model_that_cannot_share_is_scored_by_plain_lm_eval(
    build: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    model, requests = build(), asked()[:9]
    made = ours(model)
    for _ in range(2):
        assert made._loglikelihood_tokens(requests, disable_tqdm=True) == plain(
            model, batch_size=2
        )._loglikelihood_tokens(requests, disable_tqdm=True)
    assert not made.shares
    assert (
        len([line for line in capsys.readouterr().out.splitlines() if "plain lm_eval" in line]) == 1
    )


def test_a_model_that_goes_on_wrongly_is_not_believed() -> None:
    """Its own code sees what only fills up a row."""
    model = random_models.made("llama")
    forward, made = model.model.forward, ours(model)
    model.model.forward = lambda *args, **named: forward(*args, **{**named, "attention_mask": None})
    made._loglikelihood_tokens(asked()[:3], disable_tqdm=True)
    assert made.shares is False


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("gpt2", {"n_positions": 64}),
        ("mpt", {"max_seq_len": 64, "d_model": 64, "n_heads": 4, "n_layers": 2}),
    ],
)
def test_no_padding_is_at_a_position_that_a_model_does_not_have(
    kind: str, sizes: dict[str, Any]
) -> None:
    """A long context with short choices, and a short one with choices that would reach beyond the
    end if they came after it."""
    model = random_models.made(kind, **sizes)
    requests: list[Request] = [(None, [*range(1, 61)], [first, 1]) for first in (5, 6)]
    requests += [(None, [*range(1, 21)], [first] * 12) for first in (7, 8)]
    made = ours(model, batch_size=32, max_length=64)
    found = made._loglikelihood_tokens(requests, disable_tqdm=True)
    assert made.shares
    assert_same(
        found, plain(model, max_length=64)._loglikelihood_tokens(requests, disable_tqdm=True)
    )


LEARNT = 24  # ids, beyond which a scaled RoPE turns all keys otherwise
SCALED = {
    "llama": {"rope_type": "dynamic", "factor": 4.0},
    "phi3": {
        "rope_type": "longrope",
        "factor": 4.0,
        "short_factor": [1.0] * 8,
        "long_factor": [4.0] * 8,
    },
}


@pytest.mark.parametrize("kind", SCALED)
@pytest.mark.parametrize(
    ("contexts", "shares"), [([5, 18], True), ([2, 19, 22], False), ([5, 40], False)]
)
def test_keys_that_depend_on_the_length_of_a_text_are_not_kept_beyond_it(
    kind: str, contexts: list[int], shares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rope = {"rope_theta": 1e4, "original_max_position_embeddings": LEARNT, **SCALED[kind]}
    sizes = {
        "max_position_embeddings": LEARNT if kind == "llama" else 96,
        "original_max_position_embeddings": LEARNT,
    }
    model = random_models.made(kind, rope_parameters=rope, **sizes)
    mine, theirs = ours(model, batch_size=4, max_length=96), plain(model, max_length=96)
    mine._loglikelihood_tokens([(None, [1], [2])], disable_tqdm=True)
    requests: list[Request] = [
        (None, [*range(9, 9 + length)], [first, *range(50, 50 + more)])
        for length in contexts
        for first, more in ((5, 1), (6, 4 if length < LEARNT - 5 else 1))
    ]
    calls, original = [], reading.loglikelihoods

    def recorded(*given: Any) -> Any:
        calls.append(given)
        return original(*given)

    monkeypatch.setattr(shared, "loglikelihoods", recorded)
    found = mine._loglikelihood_tokens(requests, disable_tqdm=True)
    assert_same(found, theirs._loglikelihood_tokens(requests, disable_tqdm=True))
    assert bool(calls) == shares


@pytest.mark.parametrize(("context", "continuation"), [([1], []), ([], [1]), ([1], [*range(17)])])
def test_a_choice_that_cannot_be_read_is_one_message(
    context: list[int], continuation: list[int]
) -> None:
    made = ours(random_models.model("llama"), max_length=16)
    with pytest.raises(StageError, match=r"score: a choice has .* tokens after a context of"):
        made._loglikelihood_tokens([(None, context, continuation)], disable_tqdm=True)


def test_lm_eval_knows_the_model_by_its_name(tmp_path: Path) -> None:
    import lm_eval
    from lm_eval.tasks import TaskManager

    from kotune.score import in_lm_eval

    for _ in range(2):  # again changes nothing
        in_lm_eval.register()
    random_models.model("llama").save_pretrained(tmp_path)
    random_models.tokenizer().save_pretrained(tmp_path)
    named = {
        "model_args": f"pretrained={tmp_path},dtype=float32",
        "device": "cpu",
        "batch_size": 8,
        "limit": 6,
    }
    manager = TaskManager(include_path=str(ROOT / "tasks"), include_defaults=False)
    scored = [
        lm_eval.simple_evaluate(
            name, tasks=["nli_sample_ko"], task_manager=manager, apply_chat_template=True, **named
        )
        for name in ("kotune", "hf")
    ]
    mine, theirs = (
        [answer for item in one["samples"]["nli_sample_ko"] for answer in item["filtered_resps"]]
        for one in scored
    )
    assert_same(mine, theirs)
    assert len({one["results"]["nli_sample_ko"]["acc,none"] for one in scored}) == 1


@pytest.mark.parametrize(
    ("message", "error"), [("Tasks not found: klue", SystemExit), ("anything else", ValueError)]
)
def test_an_unknown_task_is_one_message(
    message: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    import lm_eval.__main__ as program

    from kotune.score import in_lm_eval

    def fail() -> None:
        raise ValueError(message)

    monkeypatch.setattr(in_lm_eval, "register", lambda: None)
    monkeypatch.setattr(program, "cli_evaluate", fail)
    with pytest.raises(error, match=message):
        in_lm_eval.main()
