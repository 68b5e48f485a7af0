"""The parts of an AI Hub download: .json and .xlsx files, plain or in .zip files as they come,
nothing extracted.

Guaranteed: a zip is read inside the archive and no file gets a name out of it, so that its members'
paths can do no harm; an encrypted, nested, damaged or implausibly large member is refused with its
name."""

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
from kodata.reading.links import not_astray
from kodata.text import composed

KINDS = (".json", ".xlsx")
CHUNK = 1 << 20
# Bytes unpacked: some topics of the SNS set have hundreds of MB; memory does not grow with it.
MAX_JSON = 2 << 30
# Bytes unpacked, of a workbook and of each file in it: a workbook's texts are held in memory.
MAX_XLSX = 256 << 20

# How folders, zips and files are called on either side: by AI Hub (2.Validation, VL_여가.zip) and
# by people who sort their downloads. A word begins where no small letter is before it, so that
# KoreanValidation is one and Invalid is none.
_VALIDATION = re.compile(
    r"(?<![a-z])([Vv]alid|VALID)|(?<=[a-z])Valid|검증|유효성|평가용|시험용|테스트|"
    r"(?i:(?<![a-z])(val|dev|eval|test|v[ls])(?![a-z]))"
)
_TRAINING = re.compile(
    r"(?<![a-z])([Tt]rain|TRAIN)|(?<=[a-z])Train|학습|훈련|(?i:(?<![a-z])t[ls](?![a-z]))"
)
# AI Hub cuts large zips: NAME.zip.part0, .part1073741824, ...
_PIECE_OF_ZIP = re.compile(r"(.+\.zip)\.(?:part)?\d+", re.IGNORECASE)


@dataclass(frozen=True)
class ArchivePart:
    """One .json or .xlsx. `name`: inside the download; `place`: for messages; `side`: "train",
    "validation" or ""."""

    name: str
    place: str
    side: str
    kind: str
    _open: Callable[[], BinaryIO]

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces. Raises DataError."""
        with told(self.place), self._open() as file:
            while piece := file.read(CHUNK):
                yield piece

    def handle(self) -> IO[bytes]:
        """A file of the disk to jump about in; for a member of a zip one that has no name and ends
        with its use. DataError."""
        with told(self.place):
            opened = self._open()
            if not isinstance(opened, zipfile.ZipExtFile):
                return opened
            with opened, ExitStack() as unless_whole:
                copy = unless_whole.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(opened, copy)
                copy.seek(0)
                unless_whole.pop_all()
                return copy


def found(root: Path) -> list[Path]:
    """The files of a download, in the order of their paths. Raises DataError where there are
    none."""
    _refuse_pieces(root)
    wanted = (*KINDS, ".zip")
    files = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in wanted and _is_data(path.name)
    ]
    files = [not_astray(path, root) for path in files if path.is_file()]
    if not files:
        raise DataError(
            f"{root}: no .json, .xlsx or .zip in it; put the files there as AI Hub gives them"
        )
    return files


def _refuse_pieces(root: Path) -> None:
    """DataError for pieces of a zip that is not there whole: what is in it would be missing."""
    whole = {match[1] for path in root.rglob("*") if (match := _PIECE_OF_ZIP.fullmatch(str(path)))}
    for name in sorted(whole):
        if not Path(name).exists():
            raise DataError(
                f"{name}: only pieces of it are there (.part0, .part1, ...); join them with `cat`"
                " in the order of their numbers, as `sort -V` has it, and take them away"
            )


def parts(file: Path, root: Path) -> Iterator[ArchivePart]:
    """What a file holds: itself, or the members of a zip; use each before the next. Raises
    DataError."""
    inside = file.relative_to(root).as_posix()
    if file.suffix.lower() != ".zip":
        yield ArchivePart(
            inside, str(file), side(inside), file.suffix.lower(), lambda: file.open("rb")
        )
        return
    with told(str(file)):
        archive = zipfile.ZipFile(file)
    with archive:
        if sum(info.compress_size for info in archive.infolist()) > file.stat().st_size:
            raise DataError(
                f"{file}: damaged: its members are larger than itself; download it again"
            )
        for info in archive.infolist():
            if (member := _member(info)) is not None:
                yield _part(archive, info, f"{inside}/{member}", f"{file}: {member}")


def others(file: Path) -> list[str]:
    """The members of a zip that are neither read nor hidden. Raises DataError."""
    with told(str(file)), zipfile.ZipFile(file) as archive:
        every = [_pieces(info) for info in archive.infolist() if not info.is_dir()]
    return ["/".join(names) for names in every if _is_shown(names) and not _is_known(names[-1])]


def _part(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, place: str) -> ArchivePart:
    kind = Path(name).suffix.lower()
    if kind == ".zip":
        raise DataError(
            f"{place}: a zip inside a zip is not read; unpack the outer one and give that folder"
        )

    def opened() -> BinaryIO:
        check(info, place, MAX_XLSX if kind == ".xlsx" else MAX_JSON)
        return cast(BinaryIO, archive.open(info))

    return ArchivePart(name, place, side(name), kind, opened)


def check(info: zipfile.ZipInfo, place: str, limit: int) -> None:
    """Raises DataError unless a member may be unpacked. zipfile gives no byte more than the size
    that is checked here."""
    if info.flag_bits & 1:
        raise DataError(
            f"{place}: encrypted; unpack the zip with its password and give that folder"
        )
    if info.file_size > limit:
        raise DataError(
            f"{place}: {info.file_size:,} bytes unpacked, over {limit:,}; if it is sound, unpack it"
            " yourself"
        )
    if info.file_size > SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise DataError(
            f"{place}: unpacks to over {MAX_RATIO} times its size, which no text does; download it"
            " again, or unpack it yourself if it is sound"
        )


@contextmanager
def told(place: str) -> Iterator[None]:
    """Whatever goes wrong with a file or a zip becomes a DataError with the place."""
    try:
        yield
    except DataError:
        raise
    except NotImplementedError as error:
        raise DataError(
            f"{place}: packed in a way that Python does not know ({error}); unpack it yourself"
        ) from None
    except OSError as error:
        raise DataError(f"{place}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # zipfile raises more than BadZipFile on a damaged file
        raise DataError(
            f"{place}: cut short or damaged ({brief(error) or 'ends too early'}); download it again"
        ) from None


def side(name: str) -> str:
    """The side that the folders and file names of a path tell. What says validation anywhere is
    never trained on."""
    pieces = composed(name).split("/")  # macOS stores Korean names in pieces
    for pattern, answer in ((_VALIDATION, "validation"), (_TRAINING, "train")):
        if any(pattern.search(piece) for piece in pieces):
            return answer
    return ""


def _member(info: zipfile.ZipInfo) -> str | None:
    """A member's name for people, without what points outside; None for what is no data."""
    pieces = _pieces(info)
    if info.is_dir() or not _is_shown(pieces):
        return None
    return "/".join(pieces) if _is_known(pieces[-1]) else None


def _pieces(info: zipfile.ZipInfo) -> list[str]:
    return [piece for piece in re.split(r"[/\\]", _name(info)) if piece not in ("", ".", "..")]


def _is_shown(pieces: list[str]) -> bool:
    return bool(pieces) and "__MACOSX" not in pieces and _is_data(pieces[-1])


def _is_known(name: str) -> bool:
    return Path(name).suffix.lower() in (*KINDS, ".zip")


def _is_data(name: str) -> bool:
    # Hidden files, and those with which Excel marks that a file is open.
    return not name.startswith((".", "~$"))


def _name(info: zipfile.ZipInfo) -> str:
    """Python takes a name without the UTF-8 mark for CP437; Korean zips have UTF-8 or CP949
    there."""
    if info.flag_bits & 0x800:
        return info.filename
    for encoding in ("utf-8", "cp949"):
        try:
            return info.filename.encode("cp437").decode(encoding)
        except UnicodeError:
            continue
    return info.filename
