"""Where the files of a data set are: in a user's folder, or on the hub at the commit that the data set's card names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kodata import hub
from kodata.card import Card
from kodata.errors import DataError, HubDeniedError, did_you_mean


@dataclass(frozen=True)
class Places:
    """For each split the names of its file on the hub (the first that is there counts) and the patterns of its files
    in a folder (the first that matches there counts, then in the folders inside it)."""

    card: Card
    hub: Mapping[str, tuple[str, ...]]
    patterns: Mapping[str, tuple[str, ...]]

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        """The files of a split: found in the folder `path` or one level below it, else brought from the hub."""
        if split not in self.patterns:
            raise DataError(f"{self.card.name}: no split {split!r}{did_you_mean(split, self.patterns)}")
        return self._in_folder(split, Path(path)) if path is not None else [self._on_hub(*self.hub[split])]

    def _in_folder(self, split: str, folder: Path) -> list[Path]:
        wanted = ", ".join(self.patterns[split])
        if not folder.is_dir():
            raise DataError(f"{self.card.name}: path {folder}: no such folder; looked for {wanted} in it")
        for place in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
            for pattern in self.patterns[split]:
                if found := sorted(place.glob(pattern)):
                    return found
        raise DataError(f"{self.card.name}: path {folder}: no {split} data there; looked for {wanted}")

    def _on_hub(self, name: str, *others: str) -> Path:
        assert self.card.hub_id and self.card.revision
        try:
            return hub.download(self.card.hub_id, name, self.card.revision)
        except HubDeniedError:
            if not others:
                raise
            return self._on_hub(*others)
