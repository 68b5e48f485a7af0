"""The lm-eval tasks: lm_eval's own loader, request builder and tables over the real YAML, with a model that is a rule."""

import functools
import importlib.util
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kodata import klue_nli, nli_sample
from kodata.errors import DataError
from tasks import install

TASKS = Path(__file__).parent.parent / "tasks"
CHOICES = list(klue_nli.LABELS.values())


@pytest.fixture(scope="module")
def functions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("klue_nli_ko", TASKS / "klue_nli_ko" / "klue_nli_ko.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def evaluate() -> Callable[..., dict[str, Any]]:
    """lm_eval over a task with a model that gives every request the log-likelihood of a rule: (prompt, choice) -> float."""
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.api.model import TemplateLM
    from lm_eval.tasks import TaskManager

    class Rule(TemplateLM):  # type: ignore[misc]
        tokenizer_name = "rule"
        eot_token_id = 0
        tok_encode = loglikelihood_rolling = generate_until = _loglikelihood_tokens = lambda *_, **__: None

        def __init__(self, rule: Callable[[str, str], float]) -> None:
            super().__init__()
            self.rule, self.asked = rule, []

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            self.asked += [request.args for request in requests]
            return [(self.rule(*request.args), False) for request in requests]

        def chat_template(self, chat_template: Any = False) -> str:
            return "marked"

        def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            return "".join(f"<{turn['role']}>{turn['content']}" for turn in chat_history) + "<assistant>"

    def run(task: str, rule: Callable[[str, str], float], path: object = None, **options: Any) -> dict[str, Any]:
        model = Rule(rule)
        manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata={"data_path": path})
        result = lm_eval.simple_evaluate(model, tasks=[task], task_manager=manager, bootstrap_iters=1, **options)
        return {"asked": model.asked, "scores": result["results"][task], "samples": result["samples"][task]}

    return run


def right(prompt: str, choice: str) -> float:
    """Knows the answers of the shipped sample."""
    return 0.0 if answers()[prompt.removeprefix("<user>").removesuffix("<assistant>")] == choice.strip() else -20.0


@functools.cache
def answers() -> dict[str, str]:
    return {klue_nli.question(doc): klue_nli.answer(doc) for doc in nli_sample.read("test")}


@pytest.mark.parametrize("chat", [False, True])
def test_the_prompt_is_kodatas_and_the_choices_follow_it(evaluate: Callable[..., dict[str, Any]], chat: bool) -> None:
    result = evaluate("nli_sample_ko", right, limit=6, apply_chat_template=chat)
    doc = result["samples"][0]["doc"]
    prompt = f"<user>{klue_nli.question(doc)}<assistant>" if chat else klue_nli.question(doc)
    assert result["asked"][:3] == [(prompt, choice if chat else f" {choice}") for choice in CHOICES]
    assert set(doc) == {"guid", "source", "premise", "hypothesis", "label"}


def test_a_model_that_knows_the_answers_gets_full_marks(evaluate: Callable[..., dict[str, Any]]) -> None:
    scores = evaluate("nli_sample_ko", right)["scores"]
    assert [scores[f"{metric},none"] for metric in ("acc", "macro_f1", "triple_acc")] == [1, 1, 1]
    assert scores["brier,none"] == pytest.approx(0, abs=1e-9)
    assert scores["acc_stderr,none"] == 0


def test_a_model_that_always_says_one_word_scores_chance_and_no_premise(
    evaluate: Callable[..., dict[str, Any]],
) -> None:
    scores = evaluate("nli_sample_ko", lambda _, choice: 0.0 if "중립" in choice else -1.0)["scores"]
    assert scores["acc,none"] == pytest.approx(1 / 3)
    assert scores["macro_f1,none"] == pytest.approx(1 / 6)
    assert scores["triple_acc,none"] == 0


def test_limit_keeps_premises_whole_on_the_real_dev_file(
    real_klue: Path, evaluate: Callable[..., dict[str, Any]]
) -> None:
    result = evaluate("klue_nli_ko", lambda *_: -1.0, {"klue_nli": str(real_klue)}, limit=300)
    premises = [sample["doc"]["premise"] for sample in result["samples"]]
    assert len(set(premises)) == 100
    assert all(premises[at] == premises[at + 1] == premises[at + 2] for at in range(0, 300, 3))
    assert result["scores"]["brier,none"] == pytest.approx(2 / 3)


def test_few_shot_examples_are_never_taken_from_the_scored_split(evaluate: Callable[..., dict[str, Any]]) -> None:
    result = evaluate("nli_sample_ko", right, limit=3, num_fewshot=2)
    assert result["asked"][0][0] == klue_nli.question(result["samples"][0]["doc"])


def test_the_real_dev_split_is_scored_whole(functions: ModuleType, real_klue: Path) -> None:
    docs = functions.dataset("klue_nli", str(real_klue), version=1.0, pretrained="other metadata")["test"]
    assert len(docs) == 3_000
    assert {doc["guid"] for doc in docs} == {doc["guid"] for doc in klue_nli.read("test", real_klue)}


def test_docs_of_a_premise_follow_each_other_in_file_order(functions: ModuleType, tmp_path: Path) -> None:
    basis = {"source": "s", "hypothesis": "물", "gold_label": "neutral"}
    rows = [{**basis, "guid": guid, "premise": guid[0]} for guid in ("b1", "a1", "b2", "c1", "a2", "b3")]
    (tmp_path / "klue-nli-v1.1_dev.json").write_text(json.dumps(rows), encoding="utf-8")
    docs = functions.dataset("klue_nli", str(tmp_path))["test"]
    assert docs["guid"][:] == ["b1", "b2", "b3", "a1", "a2", "c1"]


def test_a_missing_folder_and_an_item_without_text_are_refused(functions: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        functions.dataset("klue_nli", str(tmp_path / "absent"))
    row = {"guid": "g7", "source": "s", "premise": "비가 온다.", "hypothesis": " ", "gold_label": "neutral"}
    (tmp_path / "klue-nli-v1.1_dev.json").write_text(json.dumps([row]), encoding="utf-8")
    with pytest.raises(DataError, match="guid g7: an empty premise or hypothesis"):
        functions.dataset("klue_nli", str(tmp_path))


def test_the_choices_and_the_target_agree_with_the_training_answer(functions: ModuleType) -> None:
    for label in klue_nli.LABELS:
        doc = {"guid": "g", "source": "s", "premise": "비", "hypothesis": "물", "label": label}
        assert functions.choices(doc)[functions.target(doc)] == klue_nli.answer(doc)


def test_macro_f1_matches_a_table_worked_by_hand(functions: ModuleType) -> None:
    #            gold 0: predicted 0, 0, 1   gold 1: predicted 1   gold 2: predicted 0
    items = [(0, 0), (0, 0), (0, 1), (1, 1), (2, 0)]
    class_0 = 2 * 2 / (2 * 2 + 1 + 1)  # 2 right, 1 missed, 1 too many
    class_1 = 2 * 1 / (2 * 1 + 1 + 0)
    assert functions.macro_f1(items) == pytest.approx((class_0 + class_1 + 0) / 3)


def test_triple_acc_counts_premises_that_have_all_labels_and_no_error(functions: ModuleType) -> None:
    right_one = [("a", label, label) for label in range(3)]
    one_wrong = [("b", 0, 0), ("b", 1, 1), ("b", 2, 1)]
    four_of_which_one_wrong = [("c", 0, 0), ("c", 1, 1), ("c", 2, 2), ("c", 2, 0)]
    not_whole = [("d", 0, 0), ("d", 1, 1)]
    items = right_one + one_wrong + four_of_which_one_wrong + not_whole
    random.Random(0).shuffle(items)
    assert functions.triple_acc(items) == pytest.approx(1 / 3)
    assert math.isnan(functions.triple_acc(not_whole))


def test_brier_is_the_squared_distance_from_the_truth(functions: ModuleType) -> None:
    assert functions.brier(0, [-7.0, -7.0, -7.0]) == pytest.approx((2 / 3) ** 2 + 2 * (1 / 3) ** 2)
    assert functions.brier(0, [0.0, -1e4, -1e4]) == pytest.approx(0)
    assert functions.brier(0, [-1e4, 0.0, -1e4]) == pytest.approx(2)
    odds = [math.log(probability) - 900 for probability in (0.5, 0.3, 0.2)]
    assert functions.brier(1, odds) == pytest.approx(0.5**2 + 0.7**2 + 0.2**2)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_model_without_finite_likelihoods_is_an_error_and_not_a_third(functions: ModuleType, bad: float) -> None:
    doc = {"guid": "g7", "premise": "비", "hypothesis": "물", "label": "entailment"}
    with pytest.raises(ValueError, match="guid g7"):
        functions.process_results(doc, [(bad, False)] * 3)


def test_the_installed_stub_gives_lm_eval_the_same_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("lm_eval.utils")
    package = tmp_path / "lm_eval"
    (package / "tasks" / install.STUBS).mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tasks" / install.STUBS / "gone.yaml").write_text("task: gone")
    spec = importlib.util.spec_from_file_location("lm_eval", package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    for _ in range(2):
        stubs = sorted(stub.name for stub in install.install().iterdir())
        assert stubs == sorted(path.name for path in TASKS.glob("*/*.yaml")) != []
    stub = utils.load_yaml_config(str(package / "tasks" / install.STUBS / "nli_sample_ko.yaml"))
    assert (stub["task"], stub["metadata"]["source"]) == ("nli_sample_ko", "nli_sample")
    assert stub["doc_to_text"](next(nli_sample.read("test"))).startswith("전제: ")


def test_install_without_lm_eval_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert install.main() == 1
    assert "lm_eval is not installed" in capsys.readouterr().err


def test_a_task_file_finds_kodata_from_any_folder(tmp_path: Path) -> None:
    code = f"import runpy; print(runpy.run_path({str(TASKS / 'klue_nli_ko' / 'klue_nli_ko.py')!r})['choices'](None))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(CHOICES)
