"""A user may link to data of theirs; a stranger's folder of data may not link to what is no
data."""

import json
from pathlib import Path

import pytest

import kodata
from kodata.errors import DataError
from kodata.prepare.unread import unread_files

NAMES = {
    "chat": "train.jsonl",
    "klue_nli": "klue-nli-v1.1_train.json",
    "nli_sample": "train.json",
    "korquad": "KorQuAD_v1.0_train.json",
    "nsmc": "ratings_train.txt",
    "naver_news": "train.csv",
    "aihub_dialogue": "a.json",
    "naturalness": "prompts.jsonl",
}


ROW = '{"prompt": "비 와?", "answer": "네"}\n'


def found(source: str, folder: Path) -> list[Path]:
    return kodata.SOURCES[source].files("test" if source == "naturalness" else "train", folder)


@pytest.mark.parametrize("source", NAMES)
def test_a_link_leads_to_a_file_of_its_kind_or_stays_in_its_folder(
    tmp_path: Path, source: str
) -> None:
    name = NAMES[source]
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    elsewhere.mkdir()
    (elsewhere / f"large{Path(name).suffix}").write_text(ROW)
    (elsewhere / "id_rsa").write_text(json.dumps({"prompt": "열쇠", "answer": "열쇠"}) + "\n")
    (data / "own").write_text(ROW)
    for target in (elsewhere / f"large{Path(name).suffix}", Path("own")):
        (data / name).symlink_to(target)
        assert found(source, data) == [data / name]
        (data / name).unlink()
    for target in (
        elsewhere / "id_rsa",
        Path("../elsewhere/id_rsa"),
        Path("/proc/self/environ"),
        Path("/etc/hostname"),
    ):
        (data / name).symlink_to(target)
        with pytest.raises(
            DataError, match=f"{name}: a link to .*, which is not a {Path(name).suffix} file"
        ) as told:
            found(source, data)
        assert "열쇠" not in str(told.value) and "\n" not in str(told.value)
        (data / name).unlink()
    for hidden in (elsewhere / ".docker", tmp_path / ".ssh" / "deep"):
        hidden.mkdir(parents=True)
        (hidden / f"config{Path(name).suffix}").write_text(ROW)
        (data / name).symlink_to(hidden / f"config{Path(name).suffix}")
        with pytest.raises(DataError, match=f"{name}: a link to .* in a hidden folder"):
            found(source, data)
        (data / name).unlink()


def test_the_hubs_cache_may_be_given(tmp_path: Path) -> None:
    snapshot, blobs = (
        tmp_path / "datasets--a--b" / "snapshots" / "0123",
        tmp_path / "datasets--a--b" / "blobs",
    )
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "ab12").write_text("")
    (snapshot / "train-0.parquet").symlink_to("../../blobs/ab12")
    assert found("klue_nli", snapshot) == [snapshot / "train-0.parquet"]


def test_a_folder_of_data_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "train.jsonl").write_text(ROW)
    (tmp_path / "link").symlink_to("real")
    assert found("chat", tmp_path / "link") == [tmp_path / "link" / "train.jsonl"]


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("kind", ["a link to", "a folder or a device"])
def test_a_name_of_the_data_behind_which_there_is_no_file_is_told(
    tmp_path: Path, source: str, kind: str
) -> None:
    """A test part that is not there would be cut from train; a train part would be missing."""
    place = tmp_path / NAMES[source]
    if source == "aihub_dialogue":  # any name is a file of it
        (tmp_path / "b.json").write_text("[]")
    place.symlink_to(tmp_path / "gone") if kind == "a link to" else place.mkdir()
    if source != "aihub_dialogue":
        with pytest.raises(DataError, match=NAMES[source]):
            found(source, tmp_path)
        return
    assert found(source, tmp_path) == [tmp_path / "b.json"]
    assert unread_files(kodata.SOURCES[source], tmp_path) == (
        [NAMES[source]] if kind == "a link to" else []
    )


def test_a_link_to_a_test_part_that_is_not_there_is_no_missing_test_part(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(ROW * 80)
    (tmp_path / "test.jsonl").symlink_to(tmp_path / "large" / "test.jsonl")
    for split in kodata.chat.SPLITS:
        with pytest.raises(
            DataError, match=r"test\.jsonl: a link to .*large/test\.jsonl, which does not exist"
        ):
            kodata.chat.files(split, tmp_path)
