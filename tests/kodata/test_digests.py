"""Digests of large files: right whatever the cache holds, and read once."""

import json
import os
from pathlib import Path

import pytest

from kodata.errors import DataError
from kodata.reading import digests
from kodata.reading.files import sha256


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large and changed long ago."""
    monkeypatch.setattr(digests, "LARGE", 1)
    monkeypatch.setattr(digests, "SETTLED", -1)
    monkeypatch.setenv(digests.CACHE, str(tmp_path / "cache"))
    file = tmp_path / "data.jsonl"
    file.write_text("one", encoding="utf-8")
    return file


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found: list[Path] = []

    def recorded(path: Path) -> str:
        found.append(path)
        return sha256(path)

    monkeypatch.setattr(digests, "sha256", recorded)
    return found


def test_a_file_is_read_once_until_it_changes(large: Path, reads: list[Path]) -> None:
    one = digests.digest(large)
    assert digests.digest(large) == one == sha256(large)
    assert len(reads) == 1
    stat = large.stat()
    large.write_text("two", encoding="utf-8")
    # The same size, and set back to the same time.
    os.utime(large, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digests.digest(large) == sha256(large) != one


def test_a_touched_file_is_read_again_and_is_the_same(large: Path, reads: list[Path]) -> None:
    one = digests.digest(large)
    os.utime(large, ns=(1, 1))
    assert digests.digest(large) == one
    assert len(reads) == 2


def test_a_file_that_has_just_changed_is_not_remembered(
    large: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED", 3600 * 10**9)
    digests.digest(large)
    assert not digests.cache_file().exists()


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', "\x00"])
def test_a_damaged_cache_is_no_matter(large: Path, text: str) -> None:
    digests.cache_file().parent.mkdir(parents=True)
    digests.cache_file().write_text(text, encoding="utf-8")
    assert digests.digest(large) == sha256(large)
    assert json.loads(digests.cache_file().read_text(encoding="utf-8"))[str(large)][-1] == sha256(
        large
    )


def test_without_a_place_for_the_cache_every_file_is_read(
    large: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(digests.CACHE, "/dev/null/kotune")
    assert [digests.digest(large) for _ in range(2)] == [sha256(large)] * 2
    assert len(reads) == 2


def test_the_cache_stays_small(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST", 3)
    for number in range(5):
        file = large.with_name(str(number))
        file.write_text(str(number), encoding="utf-8")
        digests.digest(file)
    kept = json.loads(digests.cache_file().read_text(encoding="utf-8"))
    assert [Path(name).name for name in kept] == ["2", "3", "4"]


def test_a_missing_file_is_told(large: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        digests.digest(large.with_name("other"))


def test_the_cache_lies_where_the_platform_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (digests.CACHE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert digests.cache_folder() == tmp_path / ".cache" / "kotune"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert digests.cache_folder() == tmp_path / "xdg" / "kotune"
    monkeypatch.setenv(digests.CACHE, str(tmp_path / "own"))
    assert digests.cache_folder() == tmp_path / "own"


def test_the_cache_folder_is_private(large: Path) -> None:
    digests.digest(large)
    assert digests.cache_folder().stat().st_mode & 0o777 == 0o700
