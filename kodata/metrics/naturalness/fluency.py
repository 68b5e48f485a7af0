"""How expected a text is, character by character, under a 6-gram model of Korean reviews (NSMC,
CC0).

    python -m kodata.metrics.naturalness.fluency FOLDER   # a folder with ratings_train.txt(.gz):
      writes fluency.npz again

The shipped file holds hashes of n-grams and how often each occurred: no text can be read from it.
It weighs what people write in film reviews, so it knows everyday words and a loose style, and finds
official prose surprising."""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FILE = Path(__file__).parent / "fluency.npz"
ORDER = 6
LEAST = (
    2,
    3,
    4,
    6,
    8,
    8,
)  # n-grams that occur less often are left out, by order: the file stays under 2 MB
UNSEEN = 1 / 20_000  # what any character has before one is seen
_BOUNDARY = "\n"


def bits(text: str) -> tuple[float, int]:
    """Minus the binary logarithm of the text's probability, and its number of characters, white
    space counted as one space: bits per character are their ratio. A text without characters is
    (0.0, 0).

    Interpolated Witten-Bell (Chen and Goodman 1999, https://doi.org/10.1006/csla.1999.0128); what
    was left out of the file counts for the next shorter context."""
    import numpy as np

    line = " ".join(text.split())
    return float(-np.log2(chances(_BOUNDARY + line)[1:]).sum()), len(line)


def chances(lines: str) -> "Array":
    """The probability of each character after what stands before it in its line; every line begins
    with a "\\n"."""
    import numpy as np

    codes = _codes(lines)
    found, shorter = np.full(len(codes), UNSEEN), np.full(len(codes), np.inf)
    for grams, contexts, whole in _hashes(codes):
        seen, total, rest = (
            _count(keys) * whole for keys in (_key(grams), _key(contexts), _key(~contexts))
        )
        # Two hashes may meet by chance; no n-gram is without its own end.
        shorter = seen = np.minimum(seen, shorter)
        known = (total > 0) & (rest > 0)
        found = np.where(
            known, (np.minimum(seen, total) + rest * found) / np.maximum(total + rest, 1), found
        )
    return found


def _codes(text: str) -> "Array":
    import numpy as np

    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(
        np.uint64
    )


def _hashes(codes: "Array") -> "list[tuple[Array, Array, Array]]":
    """For each order: the hash of the n-gram that ends at each character, that of its context (what
    stands before the last character; its complement names the number of characters seen after it),
    and whether it lies within one text."""
    import numpy as np

    at = np.arange(len(codes))
    since = at - np.maximum.accumulate(np.where(codes == ord(_BOUNDARY), at, 0))
    before = np.zeros(len(codes), dtype=np.uint64)
    found = []
    for order in range(ORDER):
        grams = _mixed(before * np.uint64(1_000_003) + codes + np.uint64(1))
        found.append(
            (grams, _mixed(before + np.uint64(order + 2**32)), (since >= order) & (since > 0))
        )
        before = np.concatenate([np.zeros(1, dtype=np.uint64), grams[:-1]])
    return found


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
    """How often each key occurred, 0 where it was never kept."""
    import numpy as np

    known, counts = _table()
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.asarray(np.where(known[at] == keys, counts[at], 0), dtype=np.float64)


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
    """Numbers by byte, so that the many zeros of the high bytes lie together and pack well."""
    import numpy as np

    return np.ascontiguousarray(values.astype(np.uint32).view(np.uint8).reshape(-1, 4).T)


def train(texts: list[str]) -> "tuple[Array, Array]":
    """Sorted keys, and for each kept n-gram how often it occurred, for each context how often it
    occurred with such an end, and what the next shorter context counts for: kinds of kept ends,
    occurrences of others."""
    import numpy as np

    codes = _codes("".join(_BOUNDARY + " ".join(text.split()) for text in texts))
    table: dict[int, int] = {}
    for (grams, contexts, whole), least in zip(_hashes(codes), LEAST, strict=True):
        keys, first, counts = np.unique(grams[whole], return_index=True, return_counts=True)
        owners, where = np.unique(contexts[whole][first], return_inverse=True)
        kept = counts >= least
        totals, ends = (
            np.bincount(where, counts * kept),
            np.bincount(where, np.where(kept, 1, counts)),
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
