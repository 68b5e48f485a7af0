"""Reads the rows of a JSON text one at a time. The rows are the elements of the outer array, or of
arrays in the outer object.

Text arrives in pieces, which are shorter than the file, so memory does not grow with the file.
Errors are FaultErrors, to which the caller adds file and row."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from kodata.card import Row
from kodata.errors import FaultError, shown
from kodata.reading.delimited import CUT_SHORT, MAX_ROW


def require_unique_keys(pairs: list[tuple[str, Any]]) -> Row:
    """A JSON object, given as pairs of key and value, as a dict. Raises FaultError if a key occurs
    twice. JSON allows this, but one of the values would be lost."""
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise FaultError(f"key {shown(repeated)} occurs twice in one object; keep one of them")
    return made


_decode = json.JSONDecoder(object_pairs_hook=require_unique_keys).raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")


def decoded(pieces: Iterable[bytes], encodings: tuple[str, ...] = ("utf-8-sig",)) -> Iterator[str]:
    """Decodes the bytes of a file. `encodings` are tried in order on the first bytes that are not
    ASCII, and the first that fits is used for the whole file. Korean text in CP949 is almost never
    valid UTF-8. A byte order mark is removed.

    Raises FaultError for bytes that are not valid in this encoding, and at the end of a file that
    ends inside a character."""
    decoder, held = None, b""
    try:
        for piece in pieces:
            piece, held = held + piece, b""
            if decoder is None and piece[:-_SAMPLE].isascii():
                piece, held = piece[:-_SAMPLE], piece[-_SAMPLE:]
            elif decoder is None:
                decoder = _decoder(piece, encodings)
            yield decoder.decode(piece) if decoder else piece.decode("ascii")
        decoder = decoder or _decoder(held, encodings)
        yield decoder.decode(held, True)
    except UnicodeDecodeError as error:
        # The text before the error is yielded first, so that the error gets the right row number.
        yield error.object[: error.start].decode(error.encoding)
        raise FaultError(_not_text(error, encodings)) from None


# The number of bytes, from the first non-ASCII byte on, that are examined to choose the encoding. A
# single letter may be valid in several encodings. So this many bytes are held back until more
# arrive.
_SAMPLE = 64


def _decoder(piece: bytes, encodings: tuple[str, ...]) -> codecs.IncrementalDecoder:
    """A decoder for the first encoding in which the bytes are valid, or for the last encoding."""
    fitting = (encoding for encoding in encodings if _is_in(piece, encoding))
    return codecs.getincrementaldecoder(next(fitting, encodings[-1]))()


def _is_in(piece: bytes, encoding: str) -> bool:
    """Whether the bytes are valid in an encoding. They may end inside a character."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(piece)
    except UnicodeDecodeError:
        return False
    return True


def _not_text(error: UnicodeDecodeError, encodings: tuple[str, ...]) -> str:
    """The message for bytes that could not be decoded in any of `encodings`."""
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
    pieces: Iterator[str], inside: tuple[str, ...] = (), other_keys: list[str] | None = None
) -> Iterator[Any]:
    """Yields the rows of a JSON text that arrives in pieces. They are the elements of the outer
    array. If `inside` has keys, the text may be an object, and the rows are the elements of its
    arrays with these keys. An object without these arrays has no rows, nor has an empty text.

    The keys of other non-empty arrays and objects in the outer object are appended to `other_keys`,
    since their content is not read. Raises FaultError for invalid JSON."""
    text = _Text(pieces)
    first = text.peek()
    if first == "[":
        yield from _array(text)
    elif first == "{" and inside:
        yield from _object(text, inside, [] if other_keys is None else other_keys)
    elif first:
        raise FaultError(f"not a JSON array of rows but {text.shown()}")
    if text.peek():
        raise FaultError(f"not valid JSON: text after its end: {text.shown()}")


def _array(text: "_Text") -> Iterator[Any]:
    """Consumes an array and yields its elements."""
    text.take("[")
    mark = text.take("]") if text.peek() == "]" else ","
    while mark == ",":
        yield text.value()
        mark = text.take(",]")


def _object(text: "_Text", inside: tuple[str, ...], other_keys: list[str]) -> Iterator[Any]:
    """Consumes the outer object and yields its rows. The arguments are as in json_rows()."""
    text.take("{")
    mark = text.take("}") if text.peek() == "}" else ","
    while mark == ",":
        text.expect('"')
        key = text.value()
        text.take(":")
        if key in inside and text.peek() == "[":
            yield from _array(text)
        elif isinstance(value := text.value(), (list, dict)) and value:
            other_keys.append(key)
        mark = text.take(",}")


def reason(error: Exception) -> str:
    """The reason why json could not parse a text, and the text near the error."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} near {shown(error.doc[max(0, error.pos - 25) : error.pos + 25])}"
    return "nested too deeply or a number too long"


class _Text:
    """A JSON text that arrives in pieces. Consumed text is discarded."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces, self._text, self._index = pieces, "", 0

    def _more(self) -> bool:
        """Adds the next piece. Returns False at the end of the text."""
        piece = next(self._pieces, None)
        if piece is not None:
            self._text, self._index = self._text[self._index :] + piece, 0
        return piece is not None

    def peek(self) -> str:
        """Consumes white space and returns the next character without consuming it. Returns "" at
        the end of the text."""
        while True:
            space = _SPACE.match(self._text, self._index)
            assert space
            self._index = space.end()
            if self._index < len(self._text):
                return self._text[self._index]
            if not self._more():
                return ""

    def expect(self, marks: str) -> str:
        """Like peek(), but raises FaultError unless the character is one of `marks`."""
        character = self.peek()
        if not character:
            raise FaultError(CUT_SHORT)
        if character not in marks:
            expected = "a comma or the end" if marks[0] == "," else marks
            raise FaultError(f"not valid JSON: expected {expected}, found {self.shown()}")
        return character

    def take(self, marks: str) -> str:
        """Like expect(), but consumes the character."""
        character = self.expect(marks)
        self._index += 1
        return character

    def value(self) -> Any:
        """Consumes the next value and returns it. Raises FaultError for invalid JSON.

        If the value cannot be parsed, it may be incomplete. Then the next piece is added. An error
        that is not near the end of the text means invalid JSON."""
        self.peek()
        while True:
            try:
                value, end = _decode(self._text, self._index)
            except json.JSONDecodeError as error:
                is_open = error.msg.startswith("Unterminated string")
                if not (is_open or error.pos > len(self._text) - 8):
                    raise FaultError(f"not valid JSON: {reason(error)}") from None
                if not self._longer():
                    is_wrong = not is_open and self._text[error.pos :].startswith(tuple("]},:"))
                    message = f"not valid JSON: {reason(error)}" if is_wrong else CUT_SHORT
                    raise FaultError(message) from None
            except (ValueError, RecursionError) as error:
                raise FaultError(f"not valid JSON: {reason(error)}") from None
            else:
                # A number at the end of a piece may continue in the next one.
                if end < len(self._text) or not self._longer():
                    self._index = end
                    return value

    def _longer(self) -> bool:
        """Like _more(), but raises FaultError if the current value has over MAX_ROW characters."""
        if len(self._text) - self._index > MAX_ROW:
            raise FaultError(
                f"over {MAX_ROW:,} characters without an end; is this a JSON file of rows?"
            )
        return self._more()

    def shown(self) -> str:
        """The beginning of the text that is not consumed, for a message."""
        return shown(self._text[self._index : self._index + 80])
