"""Whether the tensors of a safetensors file are finite, read in pieces. The file may be a
stranger's, or torn: what its header says is believed only where the file's own size agrees.

https://huggingface.co/docs/safetensors: the header's length in 8 bytes, the header as JSON, and the
tensors without a gap."""

import math
import os
from io import BufferedReader
from pathlib import Path

from kodata.errors import shown
from kodata.reading.regular import opened
from kotune.runs.reading import MAX_JSON, loads
from kotune.runs.records import parsed
from kotune.runs.unfinished import Tensor

PIECE = 8 << 20  # bytes that are looked at together
# For each kind of numbers the unsigned ones of its size and the bits of its exponent: where all of
# these are set, it is infinity or no number.
EXPONENTS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
SIZES = {name: int(kind[-1]) for name, (kind, _) in EXPONENTS.items()}
INTEGERS = {
    "I64": 8,
    "U64": 8,
    "I32": 4,
    "U32": 4,
    "I16": 2,
    "U16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}  # always finite


def not_finite(weights: Path) -> list[str]:
    """Names of the tensors that hold NaN or infinity. OSError; ValueError for a file that is not
    whole or holds numbers of a kind that no adapter of ours has."""
    with opened(weights) as file:
        start, tensors = _header(file)
        return [name for name, tensor in tensors.items() if not _is_finite(file, start, tensor)]


def _header(file: BufferedReader) -> tuple[int, dict[str, Tensor]]:
    """Where the tensors begin, and what is said of each. They fill the file, each with as many
    bytes as its shape asks for."""
    size, length = os.fstat(file.fileno()).st_size, int.from_bytes(file.read(8), "little")
    if length > min(MAX_JSON, size - 8):
        raise ValueError(f"a header of {length:,} bytes")
    found = loads(file.read(length))
    if isinstance(found, dict):
        found.pop("__metadata__", None)
    tensors = parsed(found, dict[str, Tensor])
    if tensors is None:
        raise ValueError("a header that tells of no tensors")
    place, end = 8 + length, 0
    for tensor in sorted(tensors.values(), key=lambda tensor: tensor.data_offsets):
        begin, until = tensor.data_offsets
        if begin != end or until - begin != math.prod(tensor.shape) * _size(tensor.dtype):
            raise ValueError("a tensor of another size than its shape has")
        end = until
    if place + end != size:
        raise ValueError(f"{size:,} bytes, and its header tells of {place + end:,}")
    return place, tensors


def _size(kind: str) -> int:
    """Bytes of a number."""
    found = {**SIZES, **INTEGERS}.get(kind)
    if not found:
        raise ValueError(f"numbers of an unknown kind ({shown(kind)})")
    return found


def _is_finite(file: BufferedReader, start: int, tensor: Tensor) -> bool:
    import numpy as np

    if tensor.dtype in INTEGERS:
        return True
    kind, exponent = EXPONENTS[tensor.dtype]
    begin, end = tensor.data_offsets
    file.seek(start + begin)
    for at in range(begin, end, PIECE):
        # ValueError where somebody cuts it short meanwhile.
        numbers = np.frombuffer(file.read(min(PIECE, end - at)), kind)
        if ((numbers & exponent) == exponent).any():
            return False
    return True
