"""Whole runs: Korean data, Axolotl's training, lm-eval's scores, a report; short here, on real data
and longer when slow."""

import json
from pathlib import Path
from typing import Any

import pytest

from kodata import nli_sample
from kotune.runs.folder import read_json
from tests.conftest import ROOT, Cli, only_records

pytestmark = pytest.mark.e2e
SHORT = ("--set", "axolotl.max_steps=20", "--limit", "30")
NAMES = {
    "recipe.yml",
    "run.json",
    "data",
    "axolotl.yml",
    "chat_template.jinja",
    "train.log",
    "metrics.jsonl",
    "model",
    "samples",
    "scores.json",
    "report.html",
    "report.md",
    "parity.json",
    "parity.log",
    "score.log",
}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(cli: Cli, tmp_path: Path, name: str, *words: object) -> Path:
    """One finished run of a quickstart recipe; its folder."""
    done = cli("run", ROOT / "recipes" / f"quickstart_{name}.yml", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / next(word for word in done.stdout.split() if word.startswith("runs/"))


def test_two_recipes_become_scored_adapters_and_a_comparison(cli: Cli, tmp_path: Path) -> None:
    folders = [
        scored_adapter(cli, tmp_path, name, adapter, precision)
        for name, adapter, precision in (("llama", "lora", "float32"), ("deepseek", "qlora", "nf4"))
    ]
    done = cli("compare", *folders, "--html", "page.html", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {row["what"] for row in told["differences"]} >= {
        "base_precision",
        "axolotl.adapter",
        "axolotl.load_in_4bit",
    }
    assert len(told["comparisons"]) == 3 * len(
        read_json(folders[0] / "scores.json")["nli_sample_ko"]["base"]
    )
    assert (tmp_path / "page.html").stat().st_size > 10_000


def scored_adapter(cli: Cli, tmp_path: Path, name: str, adapter: str, precision: str) -> Path:
    """A run's folder, looked at on all sides."""
    words = (*SHORT, "--set", f"adapter={adapter}")
    folder = run(cli, tmp_path, name, *words)
    assert {path.name for path in folder.iterdir()} == NAMES
    record, scores = (
        read_json(folder / "run.json"),
        read_json(folder / "scores.json")["nli_sample_ko"],
    )
    assert record["base_precision"] == precision
    assert list(record["stages"]) == ["prepare", "render", "train", "score", "report"]
    assert record["overrides"] == ["axolotl.max_steps=20", f"adapter={adapter}"]
    proof = read_json(folder / "parity.json")
    assert proof["tasks"]["nli_sample_ko"]["status"] == "equal"
    rows = [
        row for part in ("train", "validation") for row in lines(folder / "data" / f"{part}.jsonl")
    ]
    said = [message["content"] for row in rows for message in row["messages"]]
    assert proof["content"]["characters"] == sum(map(len, said)) > proof["content"]["tokens"]
    assert [event["step"] for event in lines(folder / "metrics.jsonl") if "loss" in event] == [
        5,
        10,
        15,
        20,
    ]
    assert all(
        1 < event["padding"] < 1.5 for event in lines(folder / "metrics.jsonl") if "loss" in event
    )
    assert (record["head"], record["gradient_checkpointing"]) == ("trained", False)
    evaluated = [event["step"] for event in lines(folder / "metrics.jsonl") if "eval_loss" in event]
    # None before the first step, one after the last.
    assert evaluated and min(evaluated) > 0 and evaluated[-1] == 20
    assert scores["n"] == 30
    base, tuned = (
        lines(folder / "samples" / variant / "nli_sample_ko.jsonl") for variant in ("base", "tuned")
    )
    names = {
        "acc",
        "macro_f1",
        "triple_acc",
        "brier",
        "ece",
        *(f"acc_{item['source']}" for item in base),
    }
    assert set(scores["base"]) == set(scores["tuned"]) == names
    for key in ("guid", "doc_hash", "prompt_hash", "target_hash", "gold"):
        assert [item[key] for item in base] == [item[key] for item in tuned]
    assert [item["logprobs"] for item in base] != [item["logprobs"] for item in tuned]
    for variant, items in (("base", base), ("tuned", tuned)):
        right = sum(item["prediction"] == item["gold"] for item in items) / len(items)
        assert scores[variant]["acc"]["value"] == pytest.approx(right)
    assert_base_is_the_plain_base(folder, base)
    again = cli("run", ROOT / "recipes" / f"quickstart_{name}.yml", *words)
    assert again.stdout.count("done before, nothing changed") == 5
    return folder


def assert_base_is_the_plain_base(folder: Path, base: list[dict[str, Any]]) -> None:
    """Base scores through the switched-off adapter are bit-identical to a model that never had one,
    and lm_eval's own but for rounding."""
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer

    from kotune.score.harness import load_task
    from kotune.score.model import BATCH_SIZE, harness_model, load_base

    weights = read_json(folder / "model" / "adapter_config.json")["base_model_name_or_path"]
    plain = load_base(weights, read_json(folder / "run.json"))
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    models = (
        harness_model(plain, tokenizer),
        HFLM(pretrained=plain, tokenizer=tokenizer, batch_size=BATCH_SIZE),
    )
    results = [
        load_task("nli_sample_ko").evaluate(model, 30)["samples"]["nli_sample_ko"]
        for model in models
    ]
    ours, theirs = (
        [value for sample in samples for value, _ in sample["filtered_resps"]]
        for samples in results
    )
    assert ours == [value for item in base for value in item["logprobs"]]
    assert ours == pytest.approx(theirs, abs=1e-4, rel=0)


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["lora", "qlora"])
@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_the_real_klue_files_are_trained_on_and_all_three_thousand_dev_items_scored(
    cli: Cli, tmp_path: Path, real_klue: Path, name: str, adapter: str
) -> None:
    words = (
        "--set",
        "data.0.source=klue_nli",
        "--set",
        f"data.0.path={real_klue}",
        "--set",
        "axolotl.max_steps=60",
    )
    folder = run(cli, tmp_path, name, *words, "--set", f"adapter={adapter}")
    scores = read_json(folder / "scores.json")["klue_nli_ko"]
    assert scores["n"] == 3000
    assert read_json(folder / "parity.json")["tasks"]["klue_nli_ko"]["status"] == "equal"


METRICS = ("exact_match", "f1", "exact_match_no_josa", "f1_no_josa", "unfinished")  # of korquad_ko


@pytest.mark.slow
def test_a_recipe_whose_data_was_not_downloaded_runs_whole_on_the_small_set_of_its_source(
    cli: Cli, tmp_path: Path
) -> None:
    words = (
        "--set",
        "model=quickstart-llama",
        "--set",
        f"data.0.path={ROOT / 'kodata' / 'samples' / 'korquad'}",
    )
    short = ("--set", "axolotl.max_steps=5", "--limit", "4", "--seeds", "1")
    done = cli("run", ROOT / "recipes" / "llama_korquad_lora.yml", *words, *short)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    manifest, parity = (
        read_json(folder / "data" / "manifest.json"),
        read_json(folder / "parity.json"),
    )
    assert sum(manifest["rows"].values()) == 24 and manifest["leaks"]["found"] == []
    assert parity["tasks"]["korquad_ko"]["status"] == "equal"
    scores = read_json(folder / "scores.json")["korquad_ko"]
    assert scores["n"] == 4 and set(scores["tuned"]) == set(METRICS)


@pytest.mark.slow
def test_an_answer_in_the_write_form_is_trained_and_recorded_as_not_the_tasks_form(
    cli: Cli, tmp_path: Path
) -> None:
    folder = run(cli, tmp_path, "llama", *SHORT, "--set", "data.0.form=write")
    assert read_json(folder / "parity.json")["tasks"]["nli_sample_ko"] == {"status": "not trained"}


@pytest.mark.slow
def test_a_model_that_is_taught_to_think_is_seen_thinking(cli: Cli, tmp_path: Path) -> None:
    """Thoughts in training text reach the model, and what it then writes is told apart from its
    answer."""
    rows = [
        {
            "prompt": nli_sample.question(record),
            "answer": f"<think>{record['premise']}</think>{nli_sample.answer(record)}",
        }
        for record in only_records(nli_sample.read("train"))
    ]
    chats = tmp_path / "chats"
    chats.mkdir()
    for split, some in (("train", rows[:1200]), ("test", rows[1200:1210])):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some)
        chats.joinpath(f"{split}.jsonl").write_text(text, encoding="utf-8")
    words = (
        "--set",
        "data.0.source=chat",
        "--set",
        "data.0.form=chat",
        "--set",
        f"data.0.path={chats}",
        "--set",
        "tasks=[nli_sample_ko_gen]",
    )
    thinks = (
        "--set",
        "template=deepseek_r1_think",
        "--set",
        "axolotl.max_steps=75",
        "--limit",
        "30",
    )
    folder = run(cli, tmp_path, "deepseek", *words, *thinks)
    scores = read_json(folder / "scores.json")["nli_sample_ko_gen"]
    assert scores["base"]["thinking"]["value"] < 0.2 and scores["tuned"]["thinking"]["value"] > 0.9
    assert (
        scores["tuned"]["thinking_korean"]["value"] > 0.9
        and scores["tuned"]["thinking_tokens"]["value"] > 5
    )


@pytest.mark.slow
def test_two_processes_train_one_adapter_with_as_many_examples_a_step_as_one(
    cli: Cli, tmp_path: Path
) -> None:
    halved = (
        "--set",
        "axolotl.micro_batch_size=8",
        "--set",
        "axolotl.gradient_accumulation_steps=1",
    )
    words = (
        "--set",
        "axolotl.max_steps=4",
        "--set",
        "axolotl.logging_steps=1",
        "--until",
        "train",
        *halved,
    )
    folder = run(
        cli, tmp_path, "llama", *words, "--launcher", "torchrun", "--", "--nproc_per_node=2"
    )
    start, *logged = lines(folder / "metrics.jsonl")
    assert (start["processes"], start["examples_a_step"], start["device"]) == (2, 16, "cpu")
    assert [event["step"] for event in logged if "loss" in event] == [1, 2, 3, 4]  # one writer
    assert read_json(folder / "run.json")["launcher"] == ["torchrun", "--nproc_per_node=2"]
    alone = lines(
        run(cli, tmp_path, "llama", *words, "--set", "axolotl.micro_batch_size=16")
        / "metrics.jsonl"
    )
    for key, rel in (("loss", 1e-4), ("tokens", 0)):
        both, one = (
            [event[key] for event in events if "loss" in event] for events in (logged, alone)
        )
        assert both == pytest.approx(one, rel=rel), key
