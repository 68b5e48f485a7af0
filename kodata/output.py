"""The files that convert() writes: under temporary names until all of them are whole."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

SIDES = ("train", "validation")
Manifest = dict[str, Any]


class Output:
    """The files under temporary names; finish() gives them their names, and an error removes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._dump = dumper()

    def __enter__(self) -> Self:
        self._parts = {side: (self.folder / f"{side}.jsonl.part").open("wb", buffering=1 << 16) for side in SIDES}
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts.values():
            part.close()
            Path(part.name).unlink(missing_ok=True)  # there is none left after finish()

    def write(self, side: str, row: Manifest) -> None:
        self._parts[side].write(self._dump(row))

    def finish(self, manifest: Manifest) -> None:
        whole = self.folder / "manifest.json"
        whole.unlink(missing_ok=True)  # it may not vouch for files that it does not describe
        for side, part in self._parts.items():
            part.close()
            Path(part.name).replace(self.folder / f"{side}.jsonl")
        draft = self.folder / "manifest.json.part"
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        draft.write_text(text, encoding="utf-8", errors="replace")  # a file's name may be no Unicode
        draft.replace(whole)


def dumper() -> Callable[[Manifest], bytes]:
    """Writes a row as one line of JSON: orjson where it is installed, else json, with the same bytes."""
    try:
        import orjson
    except ImportError:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
        return lambda row: (encode(row) + "\n").encode()
    return partial(orjson.dumps, option=orjson.OPT_APPEND_NEWLINE)
