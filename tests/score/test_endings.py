"""Whether an answer ended is read from the ids that the model wrote, for each answer of a batch."""

from types import SimpleNamespace
from typing import Any

import pytest

from kotune.models import presets
from kotune.score.harness import load_task
from kotune.score.model import Endings, end_ids, harness_model, load_base
from kotune.score.scoring import evaluated

torch = pytest.importorskip("torch")
END, PAD, LIMIT = 2, 0, 6


class Hook:
    """lm_eval's hook."""

    def __init__(self) -> None:
        self.named: list[Any] = []

    def add_partial(self, *given: Any) -> None:
        self.named.append(given)


def named(endings: Endings, rows: list[list[int]], prompts: list[str]) -> None:
    """What lm_eval does with a batch whose prompts have two ids."""
    endings.read(torch.tensor(rows), 2, LIMIT, [END])
    for prompt in prompts:
        endings.add_partial("generate_until", (prompt, {}), "답")


def test_an_answer_ends_with_an_end_of_turn_or_before_the_limit() -> None:
    hook = Hook()
    endings = Endings(hook)
    named(
        endings,
        [[END, 5, 7, 8, 9, 7], [5, 5, 7, END, PAD, PAD], [5, 5, 7, 7, 7, END]],
        ["cut", "ended", "at the limit"],
    )
    named(endings, [[5, 5, 7, 8]], ["by another text"])  # lm_eval stopped the batch
    assert not endings.take("cut"), "an end in the prompt is none of the answer"
    assert all(map(endings.take, ("ended", "at the limit", "by another text")))
    prompts = [given[1][0] for given in hook.named]
    assert prompts == ["cut", "ended", "at the limit", "by another text"]


def test_equal_prompts_keep_their_order_and_an_unknown_one_is_not_known() -> None:
    endings = Endings(Hook())
    named(endings, [[5, 5, 7, END, PAD, PAD], [5, 5, 7, 7, 7, 7]], ["same", "same"])
    assert [endings.take("same"), endings.take("same")] == [True, False]
    assert endings.take("same") is None and endings.take("other") is None


@pytest.mark.parametrize(("ids", "ends"), [(None, [9]), (2, [2, 9]), ([3, 2], [2, 3, 9]), (9, [9])])
def test_a_turn_ends_with_the_models_ids_and_the_tokenizers(ids: Any, ends: list[int]) -> None:
    settings = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=ids))
    assert end_ids(SimpleNamespace(model=settings, eot_token_id=9)) == ends


def test_samples_say_what_the_model_alone_does_with_each_prompt() -> None:
    """A model of a batch against one prompt at a time, by transformers itself."""
    transformers = pytest.importorskip("transformers")
    preset = presets.PRESETS["quickstart-llama"]
    assert preset.template
    plain = {"base_precision": "auto", "compute_dtype": "auto", "model_revision": None}
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(preset.base))
    tokenizer.chat_template = preset.template.read_text(encoding="utf-8")
    model = harness_model(load_base(str(preset.base), plain), tokenizer)
    task = load_task("nli_sample_ko_gen")
    model.longest = 3
    prompts: list[str] = []
    generate = model.generate_until

    def asked(requests: Any, **more: Any) -> Any:
        prompts.extend(request.args[0] for request in requests)
        return generate(requests, **more)

    model.generate_until = asked

    def measured() -> list[bool | None]:
        prompts.clear()
        return [sample.get("ended") for sample in evaluated(task, model, 6).samples]

    def alone(prompt: str) -> list[int]:
        ids = torch.tensor([model.tok_encode(prompt)])
        made = model.model.generate(ids, max_new_tokens=model.longest, do_sample=False)
        return list(made[0, ids.shape[1] :].tolist())

    told = measured()
    written = [alone(prompt) for prompt in prompts]
    assert told == [bool({*end_ids(model)} & {*ids}) for ids in written]
    # The second id of the first answer now ends a turn.
    model.model.generation_config.eos_token_id = [*end_ids(model), written[0][1]]
    told = measured()
    assert told == [bool({*end_ids(model)} & {*alone(prompt)}) for prompt in prompts]
    assert told[0] is True
