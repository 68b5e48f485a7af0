"""Scoring that was killed goes on: what is noted as scored, and still there, is not scored
again."""

import shutil
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kodata import nli_sample
from kodata.scored import final_answer
from kotune.errors import StageError
from kotune.models import presets
from kotune.runs.folder import read_json, write_json
from kotune.runs.reading import proof_statuses
from kotune.runs.task_data import TaskData
from kotune.score import model as models
from kotune.score import samples, scoring, turns
from kotune.score.baselines import BaselineAnswers, BaselineScorer
from kotune.score.harness import Loaded, load_task
from kotune.score.model import BATCH_SIZE
from tests.conftest import only_records
from tests.finished import PARITY, metric
from tests.score.test_baselines import write_rows

torch = pytest.importorskip("torch")

TASKS = {"nli_sample_ko": TaskData(), "nsmc_ko": TaskData()}


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each (task, whether as base) as it is scored, by a model that is not there."""
    done: list[tuple[str, bool]] = []
    base = SimpleNamespace(on=False)

    class Adapter:
        def __enter__(self) -> None:
            base.on = True

        def __exit__(self, *_: object) -> None:
            base.on = False

    def evaluated(task: Any, model: Any, limit: int | None, _: str) -> scoring.Evaluated:
        done.append((task.name, base.on))
        model.generation_batches = [256, 64, 256]
        return scoring.Evaluated({"acc": metric(float(base.on), 1)}, [{"doc_id": 0}])

    def task(name: str, _: TaskData) -> Any:
        return SimpleNamespace(
            name=name,
            card=SimpleNamespace(version=1, criterion="reasoning", chance={}, published=()),
        )

    model = SimpleNamespace(model=SimpleNamespace(disable_adapter=Adapter))
    monkeypatch.setattr(scoring, "load_model", lambda *_: model)
    monkeypatch.setattr(scoring, "load_task", task)
    monkeypatch.setattr(scoring, "evaluated", evaluated)
    lines = SimpleNamespace(samples={}, rows=0, absent=None)
    monkeypatch.setattr(scoring, "BaselineScorer", lambda _: SimpleNamespace(of=lambda *_: lines))
    monkeypatch.setattr(scoring, "item_of", lambda *_: {})
    return done


def test_a_variant_of_a_task_that_was_scored_is_not_scored_again(
    scored: list[tuple[str, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = samples.write_samples
    monkeypatch.setattr(
        scoring,
        "write_samples",
        lambda root, kind, task, rows: (
            _killed() if len(scored) > 2 else whole(root, kind, task, rows)
        ),
    )
    with pytest.raises(KeyboardInterrupt):
        scoring.score(tmp_path, TASKS, {}, None)
    assert not (tmp_path / "scores.json").exists()
    monkeypatch.setattr(scoring, "write_samples", whole)
    scored.clear()
    scoring.score(tmp_path, TASKS, {}, None)
    assert scored == [("nsmc_ko", True), ("nsmc_ko", False)]
    scores = read_json(tmp_path / "scores.json")
    assert [
        scores[task][variant]["acc"]["value"] for task in TASKS for variant in ("base", "tuned")
    ] == [1.0, 0.0] * 2


@pytest.mark.parametrize("found", [None, "{", "{}"], ids=["none", "torn", "no tasks"])
def test_scores_say_what_the_proof_says_of_each_task_and_nothing_where_there_is_none(
    scored: list[tuple[str, bool]], tmp_path: Path, found: str | None
) -> None:
    tasks = {
        "nli_sample_ko": {"status": "not proven", "trained": ["reply"]},
        "nsmc_ko": {"status": "equal", "items": 4},
    }
    write_json(tmp_path / "parity.json", {**PARITY, "tasks": tasks})
    scoring.score(tmp_path, TASKS, {}, None)
    told = {task: entry["proven"] for task, entry in read_json(tmp_path / "scores.json").items()}
    assert told == {"nli_sample_ko": "not proven", "nsmc_ko": "equal"} == proof_statuses(tmp_path)
    (tmp_path / "parity.json").unlink()
    if found:
        (tmp_path / "parity.json").write_text(found)
    assert proof_statuses(tmp_path) == {}


def test_scores_say_in_which_batches_answers_were_written(
    scored: list[tuple[str, bool]], tmp_path: Path
) -> None:
    scoring.score(tmp_path, TASKS, {}, None)
    told = [entry["batches"] for entry in read_json(tmp_path / "scores.json").values()]
    assert told == [{"base": [64, 256], "tuned": [64, 256]}] * 2


def test_samples_that_were_edited_since_are_scored_again(
    scored: list[tuple[str, bool]], tmp_path: Path
) -> None:
    scoring.score(tmp_path, TASKS, {}, None)
    scored.clear()
    scoring.score(tmp_path, TASKS, {}, None)
    assert scored == []
    (tmp_path / "samples" / "tuned" / "nsmc_ko.jsonl").write_text("{}\n")
    scoring.score(tmp_path, TASKS, {}, None)
    assert scored == [("nsmc_ko", False)]


@pytest.mark.parametrize(
    ("prompt", "said", "read"),
    [
        ("질문<|assistant|>", "비가", "비가"),
        ("질문<|assistant|><think>\n", "비가", "<think>비가"),  # cut off: no answer
        ("질문<|assistant|><think>\n", "비가</think>함의", "<think>비가</think>함의"),
        ("질문<|assistant|><think>\n\n</think>\n\n", "함의", "함의"),
        ("<think>가 무엇인가요?<|assistant|>", "함의", "함의"),
    ],
)
def test_a_thought_that_the_prompt_opened_has_its_tag(
    monkeypatch: pytest.MonkeyPatch, prompt: str, said: str, read: str
) -> None:
    class Silent:
        batch_size_per_gpu, device, model, cache_hook = (
            BATCH_SIZE,
            SimpleNamespace(type="cpu"),
            None,
            None,
        )

        def __init__(self, **_: object) -> None:
            pass

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [said for _ in requests]

    monkeypatch.setattr(turns, "model_class", lambda: Silent)
    answers = models.harness_model(None, None).generate_until([SimpleNamespace(args=(prompt, {}))])
    assert answers == [read]
    assert (final_answer(read) is None) == (read == "<think>비가")


@pytest.mark.parametrize(
    ("longest", "asked", "written"),
    [(None, 256, 256), (32, 256, 32), (32, 16, 16), (32, 2_048, 2_048), (32, None, 32)],
)
def test_a_rehearsal_writes_short_answers_but_keeps_a_maximum_that_lm_eval_refuses(
    longest: int | None, asked: int | None, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = pytest.importorskip("lm_eval.api.instance").Instance
    seen: list[dict[str, Any]] = []

    class Recorded:
        batch_size_per_gpu, device = 32, SimpleNamespace(type="cpu")
        model = tok_encode = cache_hook = None
        max_gen_toks, max_length = 256, 1_024

        def __init__(self, **_: object) -> None:
            pass

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            seen.extend(request.args[1] for request in requests)
            return ["" for _ in requests]

    monkeypatch.setattr(turns, "model_class", lambda: Recorded)
    model = models.harness_model(None, None)
    model.longest = longest
    options = {"until": []} if asked is None else {"until": [], "max_gen_toks": asked}
    before = dict(options)
    model.generate_until([instance("generate_until", {}, ("물음", options), 0)])
    assert seen == [{**before, "max_gen_toks": written}] and options == before


def test_a_rehearsal_goes_as_far_as_the_reference_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("lm_eval")
    preset = presets.PRESETS["quickstart-llama"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(preset.base))
    assert preset.template
    tokenizer.chat_template = preset.template.read_text(encoding="utf-8")
    write_rows(tmp_path, list(islice(only_records(nli_sample.read("train")), 600)))
    made: list[tuple[int, BaselineAnswers]] = []
    of = BaselineScorer.of

    def recorded(self: BaselineScorer, task: Loaded, samples: list[Any]) -> BaselineAnswers:
        made.append((len(samples), of(self, task, samples)))
        return made[-1][1]

    monkeypatch.setattr(BaselineScorer, "of", recorded)
    tasks = [load_task(name, TaskData()) for name in ("nli_sample_ko", "nli_sample_ko_gen")]
    scoring.rehearse(tmp_path, str(preset.base), None, tokenizer, tasks)
    assert [(items, lines.rows) for items, lines in made] == [(2, 300)] * 2
    assert all(lines.samples.keys() >= {"majority", "hypothesis_only"} for _, lines in made)


def test_tokens_that_the_base_model_lacks_are_told_before_training(tmp_path: Path) -> None:
    """Axolotl would make the embedding larger, and the adapter could not be loaded once it was
    trained."""
    transformers = pytest.importorskip("transformers")
    base = str(presets.PRESETS["quickstart-llama"].base)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<새말>", "[환자]"])
    with pytest.raises(
        StageError,
        match=(
            r"its embedding has 1,120 tokens, .* 1,122"
            r" .*<새말>.*added_tokens_overrides"
        ),
    ):
        scoring.rehearse(tmp_path, base, None, tokenizer, [])


def test_a_models_own_special_token_needs_no_embedding(tmp_path: Path) -> None:
    """Gemma 3's text models have one such token, for images."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "model"
    shutil.copytree(str(presets.PRESETS["quickstart-llama"].base), folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image_soft_token>"]})
    tokenizer.save_pretrained(folder)
    assert len(tokenizer) == 1_121
    scoring.rehearse(tmp_path, str(folder), None, tokenizer, [])
    tokenizer.add_tokens(["<새말>"])
    with pytest.raises(StageError, match=r"1,120 tokens, .* 1,122 \('<새말>'"):
        scoring.rehearse(tmp_path, str(folder), None, tokenizer, [])


@pytest.mark.parametrize("words", ["CUDA out of memory", "an index is out of range"])
def test_memory_that_is_too_small_for_one_question_is_one_message(words: str) -> None:
    def evaluate(*_: object) -> None:
        raise torch.OutOfMemoryError(words) if "memory" in words else RuntimeError(words)

    task: Any = SimpleNamespace(name="korquad_ko", evaluate=evaluate)
    said = "score korquad_ko: out of GPU memory"
    with pytest.raises(
        StageError if "memory" in words else RuntimeError,
        match=said if "memory" in words else words,
    ):
        scoring._result(task, None, None)


def _killed() -> str:
    raise KeyboardInterrupt
