"""Finds the parts of an AI Hub download. A part is a .json or .xlsx file, by itself or in a .zip
file. A zip is read without extracting it.

Guarantees: no file is created with a name from a zip, so the names in it can do no harm. DataError
is raised for a member that is encrypted, damaged, implausibly large or a zip itself."""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from kodata.errors import DataError, brief
from kodata.reading.columns import MAX_RATIO, SMALL
from kodata.reading.links import refuse_stray_link
from kodata.text import composed

KINDS = (".json", ".xlsx")  # the suffixes of parts
CHUNK = 1 << 20  # bytes read at a time
# The maximum size of an unpacked .json file, in bytes. Files of the SNS data set have hundreds of
# MB. Memory does not grow with the size of a .json file.
MAX_JSON = 2 << 30
# The maximum size of an unpacked workbook, and of each file in it, in bytes. This limit is lower,
# because all texts of a workbook are in memory.
MAX_XLSX = 256 << 20

# The names of folders, zips and files for validation and for training. AI Hub gives some of them
# (2.Validation, VL_여가.zip), users who sort their downloads give others. A word in the middle of
# letters matches only if it begins with a capital: KoreanValidation matches, Invalid does not.
_VALIDATION = re.compile(
    r"(?<![a-z])([Vv]alid|VALID)|(?<=[a-z])Valid|검증|유효성|평가용|시험용|테스트|"
    r"(?i:(?<![a-z])(val|dev|eval|test|v[ls])(?![a-z]))"
)
_TRAINING = re.compile(
    r"(?<![a-z])([Tt]rain|TRAIN)|(?<=[a-z])Train|학습|훈련|(?i:(?<![a-z])t[ls](?![a-z]))"
)
# AI Hub cuts large zips into pieces: NAME.zip.part0, NAME.zip.part1073741824, ...
_PIECE_OF_ZIP = re.compile(r"(.+\.zip)\.(?:part)?\d+", re.IGNORECASE)


@dataclass(frozen=True)
class ArchivePart:
    """One .json or .xlsx file.

    - `name`: its path in the download
    - `where`: its name in error messages
    - `side`: "train", "validation", or "" if its path does not show which
    - `kind`: its suffix, one of KINDS
    - `_open`: opens the file for reading bytes"""

    name: str
    where: str
    side: str
    kind: str
    _open: Callable[[], BinaryIO]

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes of the file in pieces. Raises DataError if they cannot be read."""
        with explained(self.where), self._open() as file:
            while piece := file.read(CHUNK):
                yield piece

    def handle(self) -> IO[bytes]:
        """The file, opened for reading, on disk and seekable. A member of a zip is copied to an
        unnamed temporary file. Raises DataError if it cannot be read."""
        with explained(self.where):
            opened = self._open()
            if not isinstance(opened, zipfile.ZipExtFile):
                return opened
            with opened, ExitStack() as on_failure:
                copy = on_failure.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(opened, copy)
                copy.seek(0)
                on_failure.pop_all()
                return copy


def find_files(root: Path) -> list[Path]:
    """The .json, .xlsx and .zip files in the folder of a download, sorted by path. Raises DataError
    if there are none, if a zip is in pieces, or if links.refuse_stray_link() refuses a file."""
    _refuse_pieces(root)
    suffixes = (*KINDS, ".zip")
    files = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in suffixes and _is_data(path.name)
    ]
    files = [refuse_stray_link(path, root) for path in files if path.is_file()]
    if not files:
        raise DataError(
            f"{root}: no .json, .xlsx or .zip in it; put the files of AI Hub there unchanged"
        )
    return files


def _refuse_pieces(root: Path) -> None:
    """Raises DataError if the pieces of a zip were not joined. Their data would be missing."""
    zips = {match[1] for path in root.rglob("*") if (match := _PIECE_OF_ZIP.fullmatch(str(path)))}
    for name in sorted(zips):
        if not Path(name).exists():
            raise DataError(
                f"{name}: only pieces of it are there (.part0, .part1, ...); join them with `cat`"
                " in the order of their numbers (as `sort -V` does), then remove the pieces"
            )


def parts(file: Path, root: Path) -> Iterator[ArchivePart]:
    """Yields the parts in a file: the file itself, or the members of a zip. `root` is the folder of
    the download. The caller must read each part before it requests the next one, since a zip is
    closed after its last part. Raises DataError for a damaged zip and for a zip inside a zip."""
    inside = file.relative_to(root).as_posix()
    if file.suffix.lower() != ".zip":
        yield ArchivePart(
            inside, str(file), side(inside), file.suffix.lower(), lambda: file.open("rb")
        )
        return
    with explained(str(file)):
        archive = zipfile.ZipFile(file)
    with archive:
        if sum(info.compress_size for info in archive.infolist()) > file.stat().st_size:
            raise DataError(
                f"{file}: damaged: its members are larger than the file; download it again"
            )
        for info in archive.infolist():
            if (member := _member(info)) is not None:
                yield _part(archive, info, f"{inside}/{member}", f"{file}: {member}")


def others(file: Path) -> list[str]:
    """The names of the members of a zip that are not read, because of their suffix. Hidden members
    are left out. Raises DataError for a damaged zip."""
    with explained(str(file)), zipfile.ZipFile(file) as archive:
        members = [_pieces(info) for info in archive.infolist() if not info.is_dir()]
    return ["/".join(names) for names in members if _is_shown(names) and not _is_known(names[-1])]


def _part(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, where: str) -> ArchivePart:
    """A member of a zip as a part. Raises DataError for a zip."""
    kind = Path(name).suffix.lower()
    if kind == ".zip":
        raise DataError(
            f"{where}: a zip inside a zip is not read; unpack the outer one and give that folder"
        )

    def open_member() -> BinaryIO:
        check(info, where, MAX_XLSX if kind == ".xlsx" else MAX_JSON)
        return cast(BinaryIO, archive.open(info))

    return ArchivePart(name, where, side(name), kind, open_member)


def check(info: zipfile.ZipInfo, where: str, limit: int) -> None:
    """Raises DataError for a member of a zip that is encrypted, or whose unpacked size is over
    `limit` bytes or implausible. The size is the one that the zip states. zipfile returns no more
    bytes than this. `where` names the member."""
    if info.flag_bits & 1:
        raise DataError(
            f"{where}: encrypted; unpack the zip with its password and give that folder"
        )
    if info.file_size > limit:
        raise DataError(
            f"{where}: {info.file_size:,} bytes unpacked, over {limit:,}; unpack it yourself if you"
            " trust it"
        )
    if info.file_size > SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise DataError(
            f"{where}: unpacks to over {MAX_RATIO} times its size, which no text does; download it"
            " again, or unpack it yourself if you trust it"
        )


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Context manager for reading a file or a zip. If its body raises an error, DataError is raised
    instead, with a message that begins with `where`."""
    try:
        yield
    except DataError:
        raise
    except NotImplementedError as error:
        raise DataError(
            f"{where}: compressed in a way that Python cannot read ({error}); unpack it yourself"
        ) from None
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # zipfile raises more than BadZipFile for a damaged file
        raise DataError(
            f"{where}: cut short or damaged ({brief(error) or 'ends too early'}); download it again"
        ) from None


def side(name: str) -> str:
    """The side of a file, as the names in its path show it: "validation", "train", or "" if they do
    not. A path that shows both counts as validation, so that validation data are never trained
    on."""
    pieces = composed(name).split("/")  # macOS stores Korean names decomposed
    for pattern, answer in ((_VALIDATION, "validation"), (_TRAINING, "train")):
        if any(pattern.search(piece) for piece in pieces):
            return answer
    return ""


def _member(info: zipfile.ZipInfo) -> str | None:
    """The path of a member in the zip, without names such as .. that lead out of a folder. None for
    a folder, a hidden file, and a file that is not read."""
    pieces = _pieces(info)
    if info.is_dir() or not _is_shown(pieces):
        return None
    return "/".join(pieces) if _is_known(pieces[-1]) else None


def _pieces(info: zipfile.ZipInfo) -> list[str]:
    """The names in a member's path, without . and .."""
    return [piece for piece in re.split(r"[/\\]", _name(info)) if piece not in ("", ".", "..")]


def _is_shown(pieces: list[str]) -> bool:
    return bool(pieces) and "__MACOSX" not in pieces and _is_data(pieces[-1])


def _is_known(name: str) -> bool:
    return Path(name).suffix.lower() in (*KINDS, ".zip")


def _is_data(name: str) -> bool:
    return not name.startswith((".", "~$"))  # hidden files, and Excel's lock files


def _name(info: zipfile.ZipInfo) -> str:
    """The name of a member. If a name is not marked as UTF-8, zipfile decodes it as CP437. In
    Korean zips it is UTF-8 or CP949, so it is decoded again."""
    if info.flag_bits & 0x800:
        return info.filename
    for encoding in ("utf-8", "cp949"):
        try:
            return info.filename.encode("cp437").decode(encoding)
        except UnicodeError:
            continue
    return info.filename
