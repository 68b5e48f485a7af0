"""Computes the probability of a text under a character 6-gram model. The model was trained on
Korean film reviews (NSMC, CC0). So everyday words and informal style are probable, and official
prose is improbable.

The model is the file fluency.npz, which contains hashes of n-grams and their counts, but no text.
To write it anew, use a folder with NSMC's ratings_train.txt or ratings_train.txt.gz:

    python -m kodata.metrics.naturalness.fluency FOLDER

An n-gram is a sequence of n characters. Its context is all of it but the last character."""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FILE = Path(__file__).parent / "fluency.npz"
ORDER = 6  # the length of the longest n-grams
# The minimum count of an n-gram, for each length from 1 to ORDER. Rarer n-grams are dropped, so
# that the file stays under 2 MB.
MIN_COUNTS = (2, 3, 4, 6, 8, 8)
UNSEEN = 1 / 20_000  # the probability of every character without any training text
_BOUNDARY = "\n"  # the beginning of a line


def bits(text: str) -> tuple[float, int]:
    """Returns (bits, characters): the negative binary logarithm of the text's probability, and the
    text's length. Each run of white space becomes one space first. An empty text gives (0.0, 0).

    The model uses interpolated Witten-Bell smoothing (Chen and Goodman 1999,
    https://doi.org/10.1006/csla.1999.0128). The probability mass of dropped n-grams goes to the
    context that is one character shorter."""
    import numpy as np

    line = " ".join(text.split())
    return float(-np.log2(probabilities(_BOUNDARY + line)[1:]).sum()), len(line)


def probabilities(lines: str) -> "Array":
    """The probability of each character, given the earlier characters of its line. Each line of
    `lines` begins with "\\n"."""
    import numpy as np

    codes = _codes(lines)
    result, shorter_seen = np.full(len(codes), UNSEEN), np.full(len(codes), np.inf)
    for grams, contexts, within_line in _hashes(codes):
        seen, total, rest = (
            _count(keys) * within_line for keys in (_key(grams), _key(contexts), _key(~contexts))
        )
        # If two n-grams have the same hash by chance, a count is too high. It is limited to the
        # count of the n-gram without its first character, which occurs at least as often.
        shorter_seen = seen = np.minimum(seen, shorter_seen)
        known = (total > 0) & (rest > 0)
        interpolated = (np.minimum(seen, total) + rest * result) / np.maximum(total + rest, 1)
        result = np.where(known, interpolated, result)
    return result


def _codes(text: str) -> "Array":
    """The code points of a text."""
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(
        np.uint64
    )


def _hashes(codes: "Array") -> "list[tuple[Array, Array, Array]]":
    """Returns three arrays for each length of n-grams, from 1 to ORDER. They describe the n-gram
    that ends at each character: its hash, the hash of its context, and whether the n-gram is within
    one line.

    The complement of a context's hash (~) is used as a hash too (see train())."""
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
    """Mixes the bits of hashes with the finalizer of splitmix64: Steele et al. 2014,
    https://doi.org/10.1145/2660193.2660195."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _key(hashes: "Array") -> "Array":
    """The 32-bit keys in the file for 64-bit hashes."""
    import numpy as np

    return np.asarray(_mixed(hashes) >> np.uint64(32), dtype=np.uint32)


def _count(keys: "Array") -> "Array":
    """The count of each key; 0 for a key that is not in the file."""
    import numpy as np

    known, counts = _table()
    index = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.asarray(np.where(known[index] == keys, counts[index], 0), dtype=np.float64)


@cache
def _table() -> "tuple[Array, Array]":
    """Returns (keys, counts) of the file, as train() returned them."""
    import numpy as np

    with np.load(FILE) as stored:
        keys, counts = (_joined(stored[name]) for name in ("keys", "counts"))
    return np.cumsum(keys, dtype=np.uint32), counts


def _joined(planes: "Array") -> "Array":
    """The numbers from which _planes() made its result."""
    import numpy as np

    return np.ascontiguousarray(planes.T).view(np.uint32).ravel()


def _planes(values: "Array") -> "Array":
    """The four bytes of each number, as an array of shape (4, numbers). So the high bytes, most of
    which are zero, are next to each other and compress well."""
    import numpy as np

    return np.ascontiguousarray(values.astype(np.uint32).view(np.uint8).reshape(-1, 4).T)


def train(texts: list[str]) -> "tuple[Array, Array]":
    """Trains the model. Returns (keys, counts), sorted by key. A key is made from one of three
    hashes:

    - from the hash of an n-gram. The count is how often the n-gram occurs.
    - from the hash of a context. The count is how often it occurs in n-grams that are not dropped.
    - from the complement of a context's hash. The count is the weight of the context that is one
      character shorter. It is the number of distinct n-grams with the longer context that are not
      dropped, plus the number of occurrences of those that are dropped."""
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
    """Train the model on NSMC's train split in `folder`, and write fluency.npz."""
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
