"""aihub_dialogue_ko and chat_ko through lm_eval's own loader: the prompt is the trained one, chance
is a quarter."""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kodata import aihub_dialogue, chat
from kodata.card import Record
from kodata.errors import DataError
from kodata.prepare.convert import convert
from kodata.prepare.entries import Entry
from kodata.prepare.output import SPLITS
from kotune.runs.proof import Parity, TaskProof
from kotune.runs.task_data import TaskData
from tests.conftest import TASKS, loaded, only_records


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """An AI Hub download whose Validation has 40 dialogues of people and 40 of feelings."""
    rows: list[dict[str, Any]] = []
    for number in range(40):
        said = [
            ("P1", f"질문 {number}"),
            ("P2", "음"),
            ("P1", "그래서?"),
            ("P2", f"사람의 대답 {number}"),
        ]
        body = [{"participantID": who, "utterance": text} for who, text in said]
        rows.append({"header": {"dialogueInfo": {"dialogueID": f"d{number}"}}, "body": body})
    for number in range(40):
        content = {"HS01": f"마음 {number}", "SS01": f"기계의 대답 {number}"}
        rows.append(
            {
                "talk": {
                    "id": {"profile-id": f"p{number // 2}", "talk-id": f"t{number}"},
                    "content": content,
                }
            }
        )
    for part in ("Training", "Validation"):
        (tmp_path / "in" / part).mkdir(parents=True)
    (tmp_path / "in" / "Validation" / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    rows[0]["header"]["dialogueInfo"]["dialogueID"], rows[0]["body"][0]["utterance"] = (
        "other",
        "다른 질문",
    )
    (tmp_path / "in" / "Training" / "a.json").write_text(json.dumps(rows[:1]), encoding="utf-8")
    return tmp_path / "in"


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    several = [
        {"role": role, "content": f"말 {n}"} for n, role in enumerate(["user", "assistant"] * 2)
    ]
    rows: list[object] = [
        {"prompt": "서울의 강은?", "answer": "한강입니다."},
        {"messages": several},
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


def rendered(messages: Any) -> tuple[str, str]:
    asked, said = messages
    return f"<user>{asked['content']}<assistant>", said["content"]


def test_the_right_turn_is_asked_for_exactly_as_in_training(
    evaluate: Callable[..., dict[str, Any]], download: Path
) -> None:
    result = evaluate("aihub_dialogue_ko", lambda *_: -1.0, download, apply_chat_template=True)
    for sample in result["samples"]:
        trained = rendered(aihub_dialogue.messages(sample["doc"], aihub_dialogue.FORMS[0]))
        assert trained in result["asked"]
    assert len(result["asked"]) == 4 * len(result["samples"]) == 4 * 80


def test_a_model_that_prefers_no_turn_scores_about_a_quarter(
    evaluate: Callable[..., dict[str, Any]], download: Path
) -> None:
    same = evaluate("aihub_dialogue_ko", lambda *_: -1.0, download, apply_chat_template=True)[
        "scores"
    ]["acc,none"]
    assert 0.1 < same < 0.4
    right = {
        aihub_dialogue.question(doc): aihub_dialogue.answer(doc)
        for doc in only_records(aihub_dialogue.read("test", download))
    }
    knows = lambda prompt, said: float(right[prompt[len("<user>") : -len("<assistant>")]] == said)
    assert (
        evaluate("aihub_dialogue_ko", knows, download, apply_chat_template=True)["scores"][
            "acc,none"
        ]
        == 1
    )


def test_choices_are_last_turns_of_other_groups_of_the_same_set_and_always_the_same(
    download: Path,
) -> None:
    task = loaded("aihub_dialogue_ko")
    docs = list(
        task.dataset("aihub_dialogue", {"aihub_dialogue": str(download)}, version=1.0)["test"]
    )
    groups = {aihub_dialogue.answer(doc): doc["group"] for doc in docs}
    for doc in docs:
        assert len(set(doc["choices"])) == 4
        assert doc["choices"][task.target(doc)] == aihub_dialogue.answer(doc)
        assert [groups[said] for said in doc["choices"]].count(doc["group"]) == 1
        assert len({said.split()[0] for said in doc["choices"]}) == 1
    assert docs == list(task.dataset("aihub_dialogue", str(download))["test"])
    assert set(Counter(task.target(doc) for doc in docs)) == {0, 1, 2, 3}


def test_dialogues_that_cannot_be_asked_are_told(
    download: Path, caplog: pytest.LogCaptureFixture
) -> None:
    question = {
        "id": "q",
        "question": "가장 긴 강은?",
        "answers": [{"text": "압록강", "answer_start": 0}],
    }
    article = {"title": "강", "paragraphs": [{"context": "압록강은 길다.", "qas": [question]}]}
    (download / "Validation" / "b.json").write_text(
        json.dumps({"data": [article]}), encoding="utf-8"
    )
    every = [*aihub_dialogue.read("test", download)]
    asked = loaded("aihub_dialogue_ko").dataset("aihub_dialogue", str(download))["test"]
    assert len(asked) == len(every) - 1
    assert f"1 of {len(every)} dialogues are not scored" in caplog.text


def test_a_training_record_is_its_own_only_choice(download: Path) -> None:
    task = loaded("aihub_dialogue_ko")
    (record,) = aihub_dialogue.read("train", download)
    assert isinstance(record, dict)
    assert (task.choices(record), task.target(record)) == (["사람의 대답 0"], 0)


def test_too_few_dialogues_and_a_broken_model_are_errors(tmp_path: Path) -> None:
    task = loaded("aihub_dialogue_ko")
    (tmp_path / "Validation").mkdir()
    talk = {"id": {"profile-id": "p"}, "content": {"HS01": "마음", "SS01": "대답"}}
    (tmp_path / "Validation" / "a.json").write_text(json.dumps([{"talk": talk}]), encoding="utf-8")
    with pytest.raises(
        DataError,
        match=r"its test part has 1 dialogues, but no data set has 4 with different groups",
    ):
        task.dataset("aihub_dialogue", str(tmp_path))
    with pytest.raises(DataError, match=r"no path; .* https://aihub\.or\.kr"):
        task.dataset("aihub_dialogue")
    doc: Record = {
        "guid": "g7",
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    }
    with pytest.raises(ValueError, match="guid g7: the model's log-likelihoods"):
        task.process_results(doc, [(math.nan, False)])


def test_a_chat_of_one_turn_is_asked_as_trained_and_a_longer_one_as_one_text(
    evaluate: Callable[..., dict[str, Any]], chats: Path
) -> None:
    result = evaluate("chat_ko", lambda *_: " 한강입니다. ", chats, apply_chat_template=True)
    assert [asked for asked, _ in result["asked"]] == [
        "<user>서울의 강은?<assistant>",
        "<user>대화:\nA: 말 0\nB: 말 1\nA: 말 2\n\n이 대화에 이어질 B의 말을 쓰세요.<assistant>",
    ]
    single = result["samples"][0]["doc"]
    assert result["asked"][0][0] == rendered(chat.messages(single, chat.FORMS[0]))[0]
    assert result["scores"]["exact_match,none"] == 0.5
    assert 0.5 <= result["scores"]["chrf,none"] < 0.6


def test_the_chat_scores_of_one_answer(chats: Path) -> None:
    task = loaded("chat_ko")
    doc = next(iter(task.dataset("chat", {"chat": str(chats)})["test"]))
    assert task.process_results(doc, ["한강입니다.\n"]) == {
        "exact_match": 1,
        "chrf": pytest.approx(1),
    }
    near, far = (task.process_results(doc, [said]) for said in ("한강이에요.", "몰라"))
    assert near["exact_match"] == far["exact_match"] == 0
    assert 1 > near["chrf"] > far["chrf"] == 0
    assert task.process_results(doc, [""]) == {"exact_match": 0, "chrf": 0}
    assert task.process_results(doc, ["강?</think>\n\n한강입니다."])["exact_match"] == 1
    assert task.process_results(doc, ["<think>한강입니다."])["exact_match"] == 0


def test_a_missing_test_file_is_told_by_the_task(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": "가", "answer": "나"}', encoding="utf-8")
    with pytest.raises(
        DataError,
        match=r"no test\.jsonl there, and 1 groups are too few .*; put the chats to score in it",
    ):
        loaded("chat_ko").dataset("chat", str(tmp_path))


def proven(
    root: Path,
    model: str,
    source: str,
    data: Path,
    rows: Sequence[tuple[str, Record, object]],
    merge: bool = False,
    trained: bool = True,
) -> Parity:
    """parity.json's content for rows (form, doc, messages) of a source, with a quickstart model's
    tokenizer."""
    pytest.importorskip("axolotl")
    from kotune.models import presets
    from kotune.parity import proof as parity
    from kotune.recipe import reading
    from kotune.runs.folder import write_text
    from kotune.train import config as axolotl_config

    loaded_recipe = reading.load(TASKS.parent / "recipes" / f"quickstart_{model}.yml")
    template = presets.find(loaded_recipe.model, None).template
    assert template
    write_text(root / "chat_template.jinja", template.read_text(encoding="utf-8"))
    write_text(root / "axolotl.yml", axolotl_config.render(loaded_recipe, "cpu"))
    made = [
        {
            "guid": doc["guid"],
            "source": source,
            "form": form,
            "doc": json.dumps(doc),
            "messages": messages,
        }
        for form, doc, messages in rows
    ]
    for part in ("train", "validation"):
        write_text(root / "data" / f"{part}.jsonl", "".join(json.dumps(row) + "\n" for row in made))
    data_of = TaskData(data, merge=merge)
    return parity.prove(root, {f"{source}_ko": data_of}, [f"{source}_ko"] * trained)[1]


@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_the_proof_of_parity_holds_for_dialogues_and_every_turn_of_a_reply_is_trained(
    name: str, download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    docs = [doc for doc in aihub_dialogue.read("test", download) if isinstance(doc, dict)]
    rows = [
        (form, doc, aihub_dialogue.messages(doc, form))
        for form in ("next", "reply")
        for doc in docs
    ]
    proof = proven(tmp_path, name, "aihub_dialogue", download, rows)
    side = proof.tasks["aihub_dialogue_ko"]
    assert (side.status, side.items, proof.labels.rows) == ("equal", 128, 320)


def test_a_source_whose_trained_form_no_task_asks_is_not_proven(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    docs = [doc for doc in aihub_dialogue.read("test", download) if isinstance(doc, dict)][:4]
    rows = [("reply", doc, aihub_dialogue.messages(doc, "reply")) for doc in docs]
    proof = proven(tmp_path, "llama", "aihub_dialogue", download, rows, trained=False)
    assert proof.tasks["aihub_dialogue_ko"] == TaskProof(status="not proven", trained=["reply"])


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("name", ["llama", "deepseek"])
def test_chats_are_scored_in_the_turns_that_are_trained(
    name: str, merge: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system turn, a chat of several turns, a thought in its history, and a plain question."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "chats"
    data.mkdir()
    user, said = {"role": "user", "content": "비 와?"}, {"role": "assistant", "content": "응"}
    chats = [
        {"system": "짧게 답하세요.", "prompt": "안녕?", "answer": "네"},
        {
            "messages": [
                user,
                said,
                {"role": "user", "content": "많이?"},
                {"role": "assistant", "content": "조금"},
            ]
        },
        {"messages": [user, {**said, "weight": 0}, {"role": "user", "content": "정말?"}, said]},
        {"prompt": "이름이 뭐예요?", "answer": "몰라요"},
    ]
    (data / "train.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    (data / "test.jsonl").write_text(json.dumps({"prompt": "다른 말", "answer": "네"}))
    manifest = convert(
        [Entry("chat", "chat", data, system="merge" if merge else "refuse")],
        tmp_path / "data",
        seed=1,
    )
    assert manifest["rows"] == {"train": 3, "validation": 1}
    rows = [
        json.loads(line)
        for side in SPLITS
        for line in (tmp_path / "data" / f"{side}.jsonl").open(encoding="utf-8")
    ]
    made = [(row["form"], json.loads(row["doc"]), row["messages"]) for row in rows]
    side = proven(tmp_path, name, "chat", data, made, merge).tasks["chat_ko"]
    assert (side.status, side.items) == ("equal", 8)  # of both parts, which are the same here


def test_every_task_names_its_source() -> None:
    yaml = pytest.importorskip("lm_eval.utils")
    for name, module in (("aihub_dialogue_ko", aihub_dialogue), ("chat_ko", chat)):
        config = yaml.load_yaml_config(str(TASKS / name / f"{name}.yaml"))
        assert module.CARD.task == config["task"] == name
        assert config["metadata"]["source"] == module.CARD.name
