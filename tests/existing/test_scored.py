"""A model and an adapter from elsewhere are scored into run folders like any other."""

import json
from pathlib import Path
from typing import Any

import pytest

from kotune.compare.result import Result
from kotune.models import presets
from kotune.runs.finished import Finished, load
from kotune.runs.folder import read_json
from kotune.score.model import load_base
from tests.conftest import Cli
from tests.test_cli import assert_one_message

pytest.importorskip("lm_eval")
peft = pytest.importorskip("peft")
PLAIN: dict[str, str | None] = {
    "base_precision": "auto",
    "compute_dtype": "auto",
    "model_revision": None,
}
TASK = ("--tasks", "nli_sample_ko", "--limit", "6", "--device", "cpu")


def adapter(folder: Path, is_narrow: bool = False, **config: object) -> Path:
    """An adapter as peft saves it, without a tokenizer. It changes nothing: its B is zero.
    `is_narrow`: whether its base is a narrower model than the quickstart models."""
    base = load_base(str(presets.PRESETS["quickstart-llama"].base), PLAIN)
    if is_narrow:
        keys = {**base.config.to_dict(), "hidden_size": base.config.hidden_size // 2}
        base = type(base)(type(base.config)(**keys))
    lora = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(base, lora).save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return folder


@pytest.mark.slow
@pytest.mark.e2e
def test_an_adapter_and_its_base_are_scored_and_compared(cli: Cli, tmp_path: Path) -> None:
    given = adapter(tmp_path / "mine")
    for subject in (given, "quickstart-llama"):
        done = cli("score", subject, *TASK)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "nothing is trained" in done.stdout
    (tuned,), (alone,) = (
        [*(tmp_path / "runs").glob(f"{name}-*")] for name in ("mine", "quickstart-llama")
    )
    again = cli("score", given, *TASK)
    assert again.returncode == 0 and "score    ..." not in again.stdout
    runs = load([tuned, alone])
    assert [run.is_tuned for run in runs] == [True, False]
    assert [run.record.trained for run in runs] == [False, False]
    answers = [
        [
            (answer.prediction, answer.logprobs)
            for answer in run.samples("nli_sample_ko", kind).values()
        ]
        for run, kind in ((runs[0], "base"), (runs[0], "tuned"), (runs[1], "base"))
    ]
    assert answers[0] == answers[1] == answers[2], "this adapter changes nothing"
    result = Result.of(runs)
    assert len([each for each in result.comparisons if each.is_primary]) == 2
    compared = cli("compare", tuned, alone)
    assert compared.returncode == 0 and " min of scoring" in compared.stdout
    assert "not trained here" in cli("compare", tuned, alone, "--all").stdout
    assert read_json(tuned / "run.json")["command"] == Finished(tuned).command


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize(
    ("config", "words", "message"),
    [
        (
            {"base_model_name_or_path": "/gone/model", "is_narrow": True},
            ("--base", "quickstart-llama"),
            "its adapter cannot be loaded",
        ),
        ({"peft_type": "VERA"}, (), "give a plain LoRA adapter"),
        ({"auto_mapping": {"base_model_class": "x"}}, (), "give a plain LoRA adapter"),
    ],
    ids=["of another base", "another method", "with a class of its own"],
)
def test_an_adapter_that_cannot_be_used_is_said_in_one_message(
    cli: Cli, tmp_path: Path, config: dict[str, Any], words: tuple[str, ...], message: str
) -> None:
    given = adapter(tmp_path / "mine", **config)
    done = cli("score", given, *words, *TASK)
    assert_one_message(done, done.returncode, message)
    assert done.returncode in (1, 2)
