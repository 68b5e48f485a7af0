"""Whether an adapter's numbers are numbers: of every kind, wherever they stand, in whatever file,
in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kotune.train import finite
from kotune.train.finite import not_finite
from tests.conftest import ROOT

torch = pytest.importorskip("torch")
HEADER: dict[str, Any] = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def written(path: Path, header: Any, data: bytes = bytes(8)) -> Path:
    """A file with this header, which may be no header at all."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_no_number_and_infinity_are_found_wherever_they_stand(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    monkeypatch.setattr(finite, "PIECE", 64)
    dtype, path = getattr(torch, kind), tmp_path / "file"
    most = torch.finfo(dtype)
    whole = torch.tensor([most.max, most.min, most.tiny, -most.tiny, 0.0] * 20, dtype=dtype)
    for value in (float("nan"), float("inf"), -float("inf")):
        for place in (0, 50, 99):
            spoilt = whole.clone()
            spoilt[place] = value
            save_file(
                {
                    "whole": whole,
                    "spoilt": spoilt,
                    "empty": whole[:0].clone(),
                    "n": torch.ones(3, dtype=torch.int8),
                },
                path,
            )
            assert not_finite(path) == ["spoilt"]
    save_file({"whole": whole, "one": torch.tensor(1.0, dtype=dtype)}, path)
    assert not_finite(path) == []


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2"])
def test_numbers_of_an_unknown_kind_are_not_taken_for_good_ones(tmp_path: Path, kind: str) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2).to(getattr(torch, kind))}, tmp_path / "file")
    with pytest.raises(ValueError, match="numbers of an unknown kind"):
        not_finite(tmp_path / "file")


HOSTILE: dict[str, tuple[Any, bytes]] = {
    "no json": (b"{", b""),
    "deep": (b"[" * 100_000, b""),
    "list": ([], b""),
    "no tensor": ({"a": 5}, b""),
    "no header": (b"", b""),
    "cut": (HEADER, bytes(7)),
    "longer": (HEADER, bytes(9)),
    "gap": ({"a": {**HEADER["a"], "data_offsets": [8, 16]}}, bytes(16)),
    "overlap": ({**HEADER, "b": HEADER["a"]}, bytes(8)),
    "backwards": ({"a": {**HEADER["a"], "data_offsets": [8, 0]}}, bytes(8)),
    "other size": ({"a": {**HEADER["a"], "shape": [3]}}, bytes(8)),
    "huge": ({"a": {**HEADER["a"], "shape": [2**60 - 1] * 16}}, bytes(8)),
    "many sides": ({"a": {**HEADER["a"], "shape": [1] * 17}}, bytes(8)),
    "no kind": ({"a": {**HEADER["a"], "dtype": 5}}, bytes(8)),
    "kind": ({"a": {**HEADER["a"], "dtype": "F32" * 99}}, bytes(8)),
    "no number": ({"a": {**HEADER["a"], "shape": [1e999]}}, bytes(8)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_not_whole_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        not_finite(written(tmp_path / "file", *HOSTILE[name]))


def test_a_header_that_would_be_longer_than_the_file_is_an_error(tmp_path: Path) -> None:
    for data in (b"", b"1234567", b"\xff" * 8, (100).to_bytes(8, "little")):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(ValueError):
            not_finite(tmp_path / "file")


def test_a_gigabyte_of_nothing_takes_little_memory(tmp_path: Path) -> None:
    size = 3 << 29
    path = written(
        tmp_path / "file",
        {"a": {"dtype": "F16", "shape": [1, size // 2], "data_offsets": [0, size]}},
        b"",
    )
    os.truncate(path, path.stat().st_size + size)
    code = (
        "import sys; from pathlib import Path; from kotune.train.finite import not_finite\n"
        "assert not_finite(Path(sys.argv[1])) == []\n"
        "print(next(line for line in open('/proc/self/status') if"
        " line.startswith('VmHWM')).split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert int(done.stdout) < 256 << 10
