"""Links in a folder of data: people link to large files of theirs, and a stranger's folder may link
to what is no data at all, whose text would be told in messages and copied into a run folder."""

from pathlib import Path

from kodata.errors import DataError


def require_data_file(path: Path, folder: Path) -> Path:
    """What lies in a folder of data under the name of its file. DataError where it is no file, or a
    link that leads astray."""
    if path.is_symlink() and not path.exists():
        raise DataError(
            f"{path}: a link to {path.readlink()}, which is not there; put the data's file itself"
            " there"
        )
    if not path.is_file():
        raise DataError(f"{path}: a folder or a device, not a file; put the data's file there")
    return refuse_stray_link(path, folder)


def refuse_stray_link(file: Path, folder: Path) -> Path:
    """The file in a folder of data. DataError where it is, or lies behind, a link that leads out of
    the folder to a file of another kind by its name, as /proc/self/environ or a key is, or into a
    hidden folder, as to ~/.docker/config.json. The hub's cache links into its own `blobs`."""
    real, root = file.resolve(), folder.resolve()
    blobs = root.parent.parent / "blobs"
    if real.is_relative_to(root) or real.parent == blobs:
        return file
    told = f"{file}: a link to {real}, which by its name is no"
    if real.suffix.lower() != file.suffix.lower():
        raise DataError(f"{told} {file.suffix} file; put the data's file itself there")
    if any(part.startswith(".") and part != ".cache" for part in real.parts):
        raise DataError(
            f"{told} file of data but one of a program's, which may be secret; put the data's file"
            " itself there"
        )
    return file
