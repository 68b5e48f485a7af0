"""Finds the files of a data set in a user's folder or on the hub. Files on the hub are read at the
commit that the user gives. If the user gives none, the commit on the card is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kodata.card import Card
from kodata.errors import DataError, did_you_mean
from kodata.reading import hub
from kodata.reading.links import require_data_file


@dataclass(frozen=True)
class FileFinder:
    """Finds the files of each split of a data set.

    - `hub`: for each split, the name of its file on the hub
    - `patterns`: for each split, the patterns of its files in a folder, in the order in which they
      are tried. All files that match the first successful pattern are used. The folder itself is
      searched first, then each of its subfolders."""

    card: Card
    hub: Mapping[str, str]
    patterns: Mapping[str, tuple[str, ...]]

    def files(self, split: str, path: str | Path | None = None) -> list[Path]:
        """The files of a split, as in Source.files(). `path` is a folder, a commit on the hub, or
        None for the card's commit. Raises DataError for an unknown split, and if no file is found.
        Raises HubError if the hub cannot be reached."""
        if split not in self.patterns:
            raise DataError(
                f"{self.card.name}: no split {split!r}{did_you_mean(split, self.patterns)}"
            )
        if path is not None and not hub.is_commit(path):
            return self._in_folder(split, Path(path))
        if not (self.card.hub_id and self.card.revision):
            raise DataError(
                f"{self.card.name}: {path} is a commit, but this source is not on the hub; give a"
                " folder"
            )
        return [hub.download(self.card.hub_id, self.hub[split], str(path or self.card.revision))]

    def _in_folder(self, split: str, folder: Path) -> list[Path]:
        patterns = ", ".join(self.patterns[split])
        if not folder.is_dir():
            raise DataError(
                f"{self.card.name}: path {folder}: no such folder; looked for {patterns} in it"
            )
        for parent in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
            for pattern in self.patterns[split]:
                if matches := sorted(parent.glob(pattern)):
                    return [require_data_file(path, folder) for path in matches]
        raise DataError(
            f"{self.card.name}: path {folder}: no {split} data there; looked for {patterns}"
        )


def user_folder(card: Card, path: str | Path | None, advice: str) -> Path:
    """The folder `path` of a source that is not on the hub. Raises DataError if there is no such
    folder. Its message ends with `advice`."""
    if path is None:
        raise DataError(f"{card.name}: no path; {advice}")
    if not Path(path).is_dir():
        raise DataError(f"{card.name}: path {path}: no such folder; {advice}")
    return Path(path)
