"""The base model with examples in its prompt: which rows they are, and how they are asked."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kodata import nli_sample
from kodata.prepare.output import doc_of
from kotune.errors import KotuneError, RecipeError
from kotune.layout import FEW_SHOT, SCORES
from kotune.recipe.reading import digest, load
from kotune.runs.folder import read_json, write_text
from kotune.runs.records import FewShot
from kotune.score import few_shot, scoring
from kotune.score.harness import load_task
from tests.conftest import ROOT, Cli, only_records
from tests.score import random_models
from tests.score.random_models import ours

TASK = "nli_sample_ko"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with training rows of the sample."""
    rows = [
        {
            "guid": record["guid"],
            "source": "nli_sample",
            "form": "label",
            "messages": nli_sample.messages(record, "label"),
            "doc": json.dumps(record, ensure_ascii=False),
        }
        for record in [*only_records(nli_sample.read("train"))][:60]
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(tmp_path / "data" / "train.jsonl", text)
    return tmp_path


def labels(rows: list[Any]) -> Counter[str]:
    return Counter(doc_of(row)["label"] for row in rows)


def test_examples_are_training_rows_of_the_task_with_each_label_in_turn(run: Path) -> None:
    rows = few_shot.choose(run, TASK, 3, 42)
    assert sorted(labels(rows).values()) == [1, 1, 1]
    assert sorted(labels(few_shot.choose(run, TASK, 7, 42)).values()) == [2, 2, 3]
    train = {row["guid"] for row in (json.loads(line) for line in lines(run))}
    test = {record["guid"] for record in only_records(nli_sample.read("test"))}
    assert {row["guid"] for row in rows} <= train and not train & test
    assert rows == few_shot.choose(run, TASK, 3, 42)
    assert len({str(few_shot.choose(run, TASK, 3, seed)) for seed in range(8)}) > 1


def lines(run: Path) -> list[str]:
    return (run / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()


def test_other_rows_are_never_examples(run: Path) -> None:
    assert few_shot.choose(run, "nsmc_ko", 3, 42) == [], "no row of its source"
    assert few_shot.choose(run, "nli_sample_write_ko", 3, 42) == [], "no row of its form"
    rows = [json.loads(line) for line in lines(run)]
    for row in rows[2:]:
        row["messages"] = row["messages"] * 2  # a longer chat
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(run / "data" / "train.jsonl", text)
    assert len(few_shot.choose(run, TASK, 2, 42)) == 2
    assert few_shot.choose(run, TASK, 3, 42) == [], "too few"


def test_the_run_folder_says_which_and_an_edited_file_is_refused(run: Path) -> None:
    told = few_shot.write(run, [TASK, "nsmc_ko"], 3, 42)
    assert len(told) == 1 and told[0].startswith("nsmc_ko: ")
    assert few_shot.read(run) == {TASK: few_shot.choose(run, TASK, 3, 42), "nsmc_ko": []}
    write_text(run / FEW_SHOT, '{"nsmc_ko": [{"messages": 3}]}')
    with pytest.raises(KotuneError, match=r"few_shot.json: damaged"):
        few_shot.read(run)
    assert few_shot.write(run, [TASK], None, 42) == [] and few_shot.read(run) == {}


def test_a_recipe_without_examples_keeps_its_hash_and_leaks_are_none() -> None:
    file = ROOT / "recipes" / "quickstart_llama.yml"
    plain_recipe, with_examples = load(file), load(file, ("few_shot=3",))
    dumped = {**plain_recipe.model_dump(mode="json")}
    assert dumped["few_shot"] is None
    assert digest(plain_recipe, None) != digest(with_examples, None)
    for override, message in (
        ("few_shot=0", "few_shot: "),
        ("few_shot=11", "few_shot: "),
        ("few_shot=three", "few_shot: "),
    ):
        with pytest.raises(RecipeError, match=message):
            load(file, (override,))
    with pytest.raises(RecipeError, match=r"few_shot: examples would be .*set `leaks: drop`"):
        load(file, ("few_shot=3", "leaks=keep"))


def test_examples_are_turns_before_the_question_and_after_a_system_turn(run: Path) -> None:
    pytest.importorskip("lm_eval")
    model, tokenizer = ours(random_models.model("llama")), random_models.tokenizer()
    model.examples = few_shot.turns(few_shot.choose(run, TASK, 3, 42))
    assert [turn["role"] for turn in model.examples] == ["user", "assistant"] * 3
    question = {"role": "user", "content": "질문"}
    system = {"role": "system", "content": "한국어로"}

    def rendered(*turns: Any) -> str:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    assert model.apply_chat_template([question]) == rendered(*model.examples, question)
    model.turns_by_text = {"질문": [system, question]}
    assert model.apply_chat_template([question]) == rendered(system, *model.examples, question)


@pytest.mark.parametrize("task", [TASK, "nli_sample_ko_gen"])
def test_a_prompt_that_is_too_long_is_not_cut(run: Path, task: str) -> None:
    pytest.importorskip("lm_eval")
    model = ours(random_models.model("llama"), max_length=1_000)
    model.examples = few_shot.turns(few_shot.choose(run, TASK, 3, 42))
    assert not scoring._is_too_long(load_task(task), model, 30)
    model._max_length = 200
    assert scoring._is_too_long(load_task(task), model, 30)
    assert scoring._few_shot([], False) == FewShot(guids=[], absent="too few")
    assert scoring._few_shot([{"guid": "a"}], False).absent == "too long"  # type: ignore
    assert scoring._few_shot(None, False) is None


@pytest.mark.slow
@pytest.mark.e2e
def test_a_run_compares_the_tuned_model_with_it(cli: Cli, tmp_path: Path) -> None:
    recipe = tmp_path / "shots.yml"
    recipe.write_text(
        "model: quickstart-llama\nadapter: lora\nfew_shot: 3\n"
        "data: [{source: nli_sample, samples: 64}]\ntasks: [nli_sample_ko, nli_sample_ko_gen]\n"
        "axolotl: {max_steps: 2}\n"
    )
    done = cli("run", recipe, "--limit", "12", "--device", "cpu")
    assert done.returncode == 0, done.stderr + done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    scores = read_json(run / SCORES)
    for task in ("nli_sample_ko", "nli_sample_ko_gen"):
        entry = scores[task]
        chosen = [row["guid"] for row in few_shot.read(run)[task]]
        assert entry["few_shot"]["guids"] == chosen and len(chosen) == 3
        assert entry["references"]["lines"]["few_shot"]["acc"]["n"] == 12
        told = [
            json.loads(line)["prompt_hash"]
            for line in (run / "samples" / "few_shot" / f"{task}.jsonl").open()
        ]
        base = [
            json.loads(line)["prompt_hash"]
            for line in (run / "samples" / "base" / f"{task}.jsonl").open()
        ]
        assert len(told) == 12 and not {*told} & {*base}
    text = (run / "report.md").read_text(encoding="utf-8")
    assert "base model with examples in its prompt" in text and chosen[0] in text
