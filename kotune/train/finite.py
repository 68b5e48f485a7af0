"""Checks that the tensors of a safetensors file are finite. The file is read in pieces.

The file may be untrusted or truncated, so its header is used only if it agrees with the size of the
file. Format (https://huggingface.co/docs/safetensors): the header's length in 8 bytes, the header
as JSON, then the tensors without gaps."""

import math
import os
from io import BufferedReader
from pathlib import Path

from kodata.errors import shown
from kodata.reading.regular import opened
from kotune.runs.reading import MAX_JSON, loads
from kotune.runs.records import parsed
from kotune.runs.unfinished import Tensor

PIECE = 8 << 20  # the number of bytes that are checked at a time
# For each float type, the unsigned integer type of the same size, and the bit mask of the exponent.
# A number is infinity or NaN if all of its exponent bits are set.
EXPONENTS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
# The bytes of one number of each float type.
SIZES = {name: int(kind[-1]) for name, (kind, _) in EXPONENTS.items()}
INTEGERS = {  # the bytes of one number; integers are always finite
    "I64": 8,
    "U64": 8,
    "I32": 4,
    "U32": 4,
    "I16": 2,
    "U16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}


def nonfinite_tensors(weights: Path) -> list[str]:
    """The names of the tensors in a safetensors file that contain NaN or infinity.

    Raises OSError if the file cannot be read. Raises ValueError if the file is incomplete or
    malformed, or has a dtype that our adapters do not use."""
    with opened(weights) as file:
        start, tensors = _header(file)
        return [name for name, tensor in tensors.items() if not _is_finite(file, start, tensor)]


def _header(file: BufferedReader) -> tuple[int, dict[str, Tensor]]:
    """The offset of the first tensor in the file, and each tensor's entry in the header.

    Raises ValueError if the header is malformed, if the tensors do not fill the file exactly, or if
    a tensor's size does not match its shape."""
    size, length = os.fstat(file.fileno()).st_size, int.from_bytes(file.read(8), "little")
    if length > min(MAX_JSON, size - 8):
        raise ValueError(f"a header of {length:,} bytes")
    header = loads(file.read(length))
    if isinstance(header, dict):
        header.pop("__metadata__", None)
    tensors = parsed(header, dict[str, Tensor])
    if tensors is None:
        raise ValueError("a header that does not describe tensors")
    start, end = 8 + length, 0
    for tensor in sorted(tensors.values(), key=lambda tensor: tensor.data_offsets):
        begin, until = tensor.data_offsets
        if begin != end or until - begin != math.prod(tensor.shape) * _size(tensor.dtype):
            raise ValueError("a tensor whose size does not match its shape")
        end = until
    if start + end != size:
        raise ValueError(f"{size:,} bytes, but its header describes {start + end:,}")
    return start, tensors


def _size(dtype: str) -> int:
    """The bytes of one number of a dtype. Raises ValueError if the dtype is unknown."""
    size = {**SIZES, **INTEGERS}.get(dtype)
    if not size:
        raise ValueError(f"an unknown dtype ({shown(dtype)})")
    return size


def _is_finite(file: BufferedReader, start: int, tensor: Tensor) -> bool:
    """Whether a tensor has only finite numbers. `start`: the offset of the first tensor."""
    import numpy as np

    if tensor.dtype in INTEGERS:
        return True
    kind, exponent = EXPONENTS[tensor.dtype]
    begin, end = tensor.data_offsets
    file.seek(start + begin)
    for offset in range(begin, end, PIECE):
        numbers = np.frombuffer(file.read(min(PIECE, end - offset)), kind)
        if ((numbers & exponent) == exponent).any():
            return False
    return True
