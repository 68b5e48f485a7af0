"""Checks symbolic links in a folder of data. Links are allowed, since users link to their own large
files. But in a folder from somebody else, a link may lead to a private file of the user. Its text
would then appear in messages and in a run folder."""

from pathlib import Path

from kodata.errors import DataError


def require_data_file(path: Path, folder: Path) -> Path:
    """The path of a data file in a folder, unchanged. Raises DataError if the path is not a file,
    if it is a link to nothing, or if refuse_stray_link() refuses it."""
    if path.is_symlink() and not path.exists():
        raise DataError(
            f"{path}: a link to {path.readlink()}, which does not exist; put the data file itself"
            " there"
        )
    if not path.is_file():
        raise DataError(f"{path}: a folder or a device, not a file; put the data file there")
    return refuse_stray_link(path, folder)


def refuse_stray_link(file: Path, folder: Path) -> Path:
    """The path of a file in a folder of data, unchanged.

    A link out of the folder is refused in two cases: it leads to a file with another suffix (such
    as /proc/self/environ or a key), or into a hidden folder (such as ~/.docker/config.json). Then
    DataError is raised. Links in the hub's cache into its own `blobs` are accepted."""
    real, root = file.resolve(), folder.resolve()
    blobs = root.parent.parent / "blobs"
    if real.is_relative_to(root) or real.parent == blobs:
        return file
    if real.suffix.lower() != file.suffix.lower():
        raise DataError(
            f"{file}: a link to {real}, which is not a {file.suffix} file; put the data file itself"
            " there"
        )
    if any(part.startswith(".") and part != ".cache" for part in real.parts):
        raise DataError(
            f"{file}: a link to {real} in a hidden folder, whose files may be secret; put the data"
            " file itself there"
        )
    return file
