"""A home or cache that cannot be written to: libraries of a child keep what they make in the folder
that the child works in."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kotune import cli
from kotune.doctor import hub
from kotune.worker import places, tether
from kotune.worker.environment import environment
from kotune.worker.places import COMPILED

NOWHERE = "/dev/null/home"  # takes no file of anybody's, of root's neither
VARIABLES = (
    "HF_HOME",
    "HF_DATASETS_CACHE",
    "HF_MODULES_CACHE",
    "TRITON_CACHE_DIR",
    "TRITON_HOME",
    "MPLCONFIGDIR",
)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "XDG_CACHE_HOME", "XDG_CONFIG_HOME", COMPILED):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        ({}, set()),
        (
            {"HOME": NOWHERE},
            {"HF_DATASETS_CACHE", "HF_MODULES_CACHE", "TRITON_CACHE_DIR", "MPLCONFIGDIR", COMPILED},
        ),
        ({"HF_HOME": NOWHERE}, {"HF_DATASETS_CACHE", "HF_MODULES_CACHE"}),
        ({"XDG_CACHE_HOME": NOWHERE}, {"HF_DATASETS_CACHE", "HF_MODULES_CACHE", COMPILED}),
        ({"HF_DATASETS_CACHE": NOWHERE}, {"HF_DATASETS_CACHE"}),
        ({COMPILED: "relative"}, {COMPILED}),
        (
            {"HOME": "~"},
            {"HF_DATASETS_CACHE", "HF_MODULES_CACHE", "TRITON_CACHE_DIR", "MPLCONFIGDIR", COMPILED},
        ),
    ],
)
def test_only_what_cannot_be_written_to_lies_elsewhere(
    given: dict[str, str], moved: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOME": str(tmp_path / "home"), **given}.items():
        monkeypatch.setenv(name, value)
    found = places.caches(tmp_path)
    if COMPILED not in moved:  # torch's own place is below /tmp, where anybody may make it first
        assert found.pop(COMPILED) == str(tmp_path / "home" / ".cache" / "torchinductor")
    assert found.keys() == moved
    assert all(Path(place).is_relative_to(tmp_path / "caches") for place in found.values())


def test_a_folder_of_another_user_in_a_cache_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run by root leaves one in the cache of whoever owns it."""
    (tmp_path / "json").mkdir()
    assert places.is_writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda place, _: not str(place).endswith("json"))
    assert not places.is_writable(tmp_path)


def test_a_child_with_no_home_reads_json_as_axolotl_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HOME", NOWHERE)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"a": "가"}) + "\n")
    code = (
        "import datasets; print(datasets.load_dataset('json', data_files='rows.jsonl',"
        " split='train')[0])"
    )
    child = tether.start([sys.executable, "-c", code], tmp_path, subprocess.PIPE)
    said = child.communicate()[0]
    assert child.returncode == 0 and said.endswith("{'a': '가'}\n"), said
    assert (tmp_path / "caches").is_dir()


def test_a_user_whom_the_machine_does_not_know_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert str(hub.cache()).startswith("~")  # no error, before there is one
    cli._set_missing_home()
    assert os.environ["HOME"] == "/" and Path.home() == Path("/")
    monkeypatch.setenv("HOME", "/somewhere")
    cli._set_missing_home()
    assert os.environ["HOME"] == "/somewhere"


def test_the_cache_that_doctor_looks_at_is_the_hubs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/big/cache")
    assert hub.cache() == Path("/big/cache/huggingface/hub")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_none_to_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not places.is_writable(tmp_path) and not places.is_writable(tmp_path / "new")


def test_tiktoken_keeps_no_copy_of_a_models_words_below_tmp(tmp_path: Path) -> None:
    """Another user could put theirs in its place: folder and name can be told."""
    pytest.importorskip("tiktoken")
    (tmp_path / "tokenizer.model").write_text("YQ== 0\n")
    code = "from tiktoken.load import load_tiktoken_bpe as load; print(load('tokenizer.model'))"
    env = {**environment(), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{b'a': 0}\n", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]
