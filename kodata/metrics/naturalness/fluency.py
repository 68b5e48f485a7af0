"""Computes the probability of a text under a character 6-gram model of Korean film reviews (NSMC,
CC0).

    python -m kodata.metrics.naturalness.fluency FOLDER   # with ratings_train.txt(.gz)

writes fluency.npz. The file contains hashes of n-grams and their counts. No text can be recovered
from it. Everyday words and informal style are probable under the model; official prose is
improbable."""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FILE = Path(__file__).parent / "fluency.npz"
ORDER = 6
# The minimum count of an n-gram, for each order. Rarer n-grams are dropped, so that the file stays
# under 2 MB.
MIN_COUNTS = (2, 3, 4, 6, 8, 8)
UNSEEN = 1 / 20_000  # the probability of every character before any training text is counted
_BOUNDARY = "\n"


def bits(text: str) -> tuple[float, int]:
    """Returns (bits, characters): the negative binary logarithm of the text's probability, and the
    text's length. White space counts as one space. An empty text is (0.0, 0).

    Uses interpolated Witten-Bell smoothing (Chen and Goodman 1999,
    https://doi.org/10.1006/csla.1999.0128). The probability mass of dropped n-grams goes to the
    next shorter context."""
    import numpy as np

    line = " ".join(text.split())
    return float(-np.log2(probabilities(_BOUNDARY + line)[1:]).sum()), len(line)


def probabilities(lines: str) -> "Array":
    """The probability of each character, given the earlier characters of its line. Every line
    begins with a "\\n"."""
    import numpy as np

    codes = _codes(lines)
    result, shorter_seen = np.full(len(codes), UNSEEN), np.full(len(codes), np.inf)
    for grams, contexts, within_line in _hashes(codes):
        seen, total, rest = (
            _count(keys) * within_line for keys in (_key(grams), _key(contexts), _key(~contexts))
        )
        # Two hashes may be equal by chance, which makes a count too high. An n-gram never occurs
        # more often than the same n-gram without its first character, so the count of the shorter
        # one is an upper limit.
        shorter_seen = seen = np.minimum(seen, shorter_seen)
        known = (total > 0) & (rest > 0)
        interpolated = (np.minimum(seen, total) + rest * result) / np.maximum(total + rest, 1)
        result = np.where(known, interpolated, result)
    return result


def _codes(text: str) -> "Array":
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(
        np.uint64
    )


def _hashes(codes: "Array") -> "list[tuple[Array, Array, Array]]":
    """Returns three arrays for each order, about the n-gram that ends at each character: its hash,
    the hash of its context (all but the last character), and whether it lies within one line.

    The complement of a context's hash is a key too (see train())."""
    import numpy as np

    index = np.arange(len(codes))
    line_position = index - np.maximum.accumulate(np.where(codes == ord(_BOUNDARY), index, 0))
    before = np.zeros(len(codes), dtype=np.uint64)
    orders = []
    for order in range(ORDER):
        grams = _mixed(before * np.uint64(1_000_003) + codes + np.uint64(1))
        contexts = _mixed(before + np.uint64(order + 2**32))
        orders.append((grams, contexts, (line_position >= order) & (line_position > 0)))
        before = np.concatenate([np.zeros(1, dtype=np.uint64), grams[:-1]])
    return orders


def _mixed(values: "Array") -> "Array":
    """splitmix64's finalizer: Steele et al. 2014, https://doi.org/10.1145/2660193.2660195."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _key(hashes: "Array") -> "Array":
    import numpy as np

    return np.asarray(_mixed(hashes) >> np.uint64(32), dtype=np.uint32)


def _count(keys: "Array") -> "Array":
    """The count of each key; 0 for a dropped key."""
    import numpy as np

    known, counts = _table()
    index = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.asarray(np.where(known[index] == keys, counts[index], 0), dtype=np.float64)


@cache
def _table() -> "tuple[Array, Array]":
    import numpy as np

    with np.load(FILE) as stored:
        keys, counts = (_joined(stored[name]) for name in ("keys", "counts"))
    return np.cumsum(keys, dtype=np.uint32), counts


def _joined(planes: "Array") -> "Array":
    import numpy as np

    return np.ascontiguousarray(planes.T).view(np.uint32).ravel()


def _planes(values: "Array") -> "Array":
    """The bytes of the numbers, grouped by their position in a number. High bytes are mostly zero.
    Next to each other, they compress well."""
    import numpy as np

    return np.ascontiguousarray(values.astype(np.uint32).view(np.uint8).reshape(-1, 4).T)


def train(texts: list[str]) -> "tuple[Array, Array]":
    """Returns (keys, counts), sorted by key. There are three kinds of keys.

    - The key of an n-gram has the number of its occurrences.
    - The key of a context has the number of its occurrences within kept n-grams.
    - The key of a context's complement has the weight of the next shorter context: the number of
      distinct kept n-grams plus the number of occurrences of dropped ones."""
    import numpy as np

    codes = _codes("".join(_BOUNDARY + " ".join(text.split()) for text in texts))
    table: dict[int, int] = {}
    for (grams, contexts, within_line), min_count in zip(_hashes(codes), MIN_COUNTS, strict=True):
        keys, first, counts = np.unique(grams[within_line], return_index=True, return_counts=True)
        owners, owner = np.unique(contexts[within_line][first], return_inverse=True)
        kept = counts >= min_count
        totals, ends = (
            np.bincount(owner, counts * kept),
            np.bincount(owner, np.where(kept, 1, counts)),
        )
        used = totals > 0
        for hashes, numbers in (
            (keys[kept], counts[kept]),
            (owners[used], totals[used]),
            (~owners[used], ends[used]),
        ):
            table.update(zip(_key(hashes).tolist(), numbers.astype(int).tolist(), strict=True))
    keys = np.array(sorted(table), dtype=np.uint32)
    return keys, np.array([table[key] for key in keys.tolist()], dtype=np.uint32)


def main(folder: str) -> None:
    """Write fluency.npz from NSMC's training part."""
    import numpy as np

    from kodata import nsmc
    from kodata.control_text import records_of

    keys, counts = train(
        [
            record["document"]
            for record in records_of(nsmc.read("train", folder))
            if record["document"]
        ]
    )
    np.savez_compressed(
        FILE, keys=_planes(np.diff(keys, prepend=np.uint32(0))), counts=_planes(counts)
    )
    print(f"{FILE}: {len(keys):,} entries, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
