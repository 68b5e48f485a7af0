"""The rows of a JSON text, one at a time, however large the file: those of an outer array, or of
arrays in an outer object.

Read from pieces of text: memory does not grow with the file. What is wrong with the text is a
FaultError; whoever knows the file adds the place."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from kodata.card import Row
from kodata.errors import FaultError, shown
from kodata.reading.delimited import CUT_SHORT, MAX_ROW


def once(pairs: list[tuple[str, Any]]) -> Row:
    """An object whose keys stand there once each. JSON lets one stand twice and does not say which
    value holds: every parser drops one of them."""
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FaultError(f"key {shown(twice)} stands twice in one object; keep one of them")
    return made


_decode = json.JSONDecoder(object_pairs_hook=once).raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")


def decoded(pieces: Iterable[bytes], encodings: tuple[str, ...] = ("utf-8-sig",)) -> Iterator[str]:
    """The text of a file, without its byte order mark, in the first of the encodings that suits it.

    The first piece with more than ASCII tells which: Korean in CP949 is not valid UTF-8 but for
    freak cases."""
    decoder, waiting = None, b""
    try:
        for piece in pieces:
            piece, waiting = waiting + piece, b""
            if decoder is None and piece[:-_TELLING].isascii():
                piece, waiting = piece[:-_TELLING], piece[-_TELLING:]
            elif decoder is None:
                decoder = _decoder(piece, encodings)
            yield decoder.decode(piece) if decoder else piece.decode("ascii")
        decoder = decoder or _decoder(waiting, encodings)
        yield decoder.decode(waiting, True)
    except UnicodeDecodeError as error:
        yield error.object[: error.start].decode(error.encoding)  # the rows before the fault count
        raise FaultError(_not_text(error, encodings)) from None


# bytes: so much from the first Korean on tells the encoding; one letter alone may be valid in both
_TELLING = 64


def _decoder(piece: bytes, encodings: tuple[str, ...]) -> codecs.IncrementalDecoder:
    suits = (encoding for encoding in encodings if _is_in(piece, encoding))
    return codecs.getincrementaldecoder(next(suits, encodings[-1]))()


def _is_in(piece: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(piece)
    except UnicodeDecodeError:
        return False
    return True


def _not_text(error: UnicodeDecodeError, encodings: tuple[str, ...]) -> str:
    if error.reason in ("unexpected end of data", "incomplete multibyte sequence"):
        return CUT_SHORT
    if "cp949" in encodings:
        return "neither UTF-8 nor CP949 text; download it again, or save it as UTF-8"
    if _is_in(error.object, "cp949"):
        return "CP949, not UTF-8; re-encode the file as UTF-8: iconv -f cp949 -t utf-8 OLD > NEW"
    before = error.object[: error.start]
    if before.isascii():
        return "not UTF-8; re-encode the file as UTF-8"
    return (
        f"not UTF-8 after {shown(before.decode()[-25:])}; mend or remove the row, or download the"
        " file again"
    )


def json_rows(
    pieces: Iterator[str], inside: tuple[str, ...] = (), passed: list[str] | None = None
) -> Iterator[Any]:
    """The elements of the outer array, or of the arrays in the outer object that have a name in
    `inside`. `passed` gets the names of the arrays and objects there that are none of these and not
    empty: their texts and numbers alone tell of the file.

    An object without such an array has no rows; neither has an empty text.
    """
    text = _Text(pieces)
    first = text.peek()
    if first == "[":
        yield from _array(text)
    elif first == "{" and inside:
        yield from _object(text, inside, [] if passed is None else passed)
    elif first:
        raise FaultError(f"not a JSON array of rows but {text.shown()}")
    if text.peek():
        raise FaultError(f"not valid JSON: after its end there is {text.shown()}")


def _array(text: "_Text") -> Iterator[Any]:
    text.take("[")
    mark = text.take("]") if text.peek() == "]" else ","
    while mark == ",":
        yield text.value()
        mark = text.take(",]")


def _object(text: "_Text", inside: tuple[str, ...], passed: list[str]) -> Iterator[Any]:
    text.take("{")
    mark = text.take("}") if text.peek() == "}" else ","
    while mark == ",":
        text.expect('"')
        key = text.value()
        text.take(":")
        if key in inside and text.peek() == "[":
            yield from _array(text)
        elif isinstance(value := text.value(), (list, dict)) and value:
            passed.append(key)
        mark = text.take(",}")


def reason(error: Exception) -> str:
    """Why json could not read a text, and where."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} near {shown(error.doc[max(0, error.pos - 25) : error.pos + 25])}"
    return "nested too deeply or a number too long"


class _Text:
    """A text that arrives in pieces; what was used is forgotten."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces, self._text, self._at = pieces, "", 0

    def _more(self) -> bool:
        """Adds a piece; False at the end of the file."""
        piece = next(self._pieces, None)
        if piece is not None:
            self._text, self._at = self._text[self._at :] + piece, 0
        return piece is not None

    def peek(self) -> str:
        """The next character after white space; "" at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space
            self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def expect(self, marks: str) -> str:
        """The next character, which must be one of the marks."""
        found = self.peek()
        if not found:
            raise FaultError(CUT_SHORT)
        if found not in marks:
            wanted = "a comma or the end" if marks[0] == "," else marks
            raise FaultError(f"not valid JSON: expected {wanted}, found {self.shown()}")
        return found

    def take(self, marks: str) -> str:
        """Passes over one of the marks, which must be there."""
        found = self.expect(marks)
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value. What does not parse is tried again with more text only where more text
        can mend it."""
        self.peek()
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                open_ended = error.msg.startswith("Unterminated string")
                if not (open_ended or error.pos > len(self._text) - 8):
                    raise FaultError(f"not valid JSON: {reason(error)}") from None
                if not self._longer():
                    closed = not open_ended and self._text[error.pos :].startswith(tuple("]},:"))
                    raise FaultError(
                        f"not valid JSON: {reason(error)}" if closed else CUT_SHORT
                    ) from None
            except (ValueError, RecursionError) as error:
                raise FaultError(f"not valid JSON: {reason(error)}") from None
            else:
                # A number at the end of a piece may go on.
                if end < len(self._text) or not self._longer():
                    self._at = end
                    return value

    def _longer(self) -> bool:
        if len(self._text) - self._at > MAX_ROW:
            raise FaultError(
                f"over {MAX_ROW:,} characters without an end; is this a JSON file of rows?"
            )
        return self._more()

    def shown(self) -> str:
        return shown(self._text[self._at : self._at + 80])
