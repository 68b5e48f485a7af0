"""The rows of AI Hub's JSON files, one at a time: some files are larger than memory.

Rows are the elements of the outer array, or of the array `data` or `info` in the outer object.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

MAX_ROW = 16_000_000  # characters; a longer row is a fault of the file
ARRAYS = ("data", "info")

_decode = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")
_CUT_SHORT = "the file is cut short; download it again"


class BrokenError(Exception):
    """What is wrong with the text; the reader of the file adds the place."""


def decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    """The text of a file in UTF-8, with or without a byte order mark, or in CP949.

    The first piece with more than ASCII tells which: Korean in CP949 is not valid UTF-8 but for freak cases.
    """
    decoder, waiting = None, b""
    try:
        for piece in pieces:
            piece, waiting = waiting + piece, b""
            if decoder is None and piece[:-_TELLING].isascii():
                waiting = piece[-_TELLING:]
                piece = piece[:-_TELLING]
            elif decoder is None:
                decoder = _decoder(piece)
            yield decoder.decode(piece) if decoder else piece.decode("ascii")
        decoder = decoder or _decoder(waiting)
        yield decoder.decode(waiting, True)
    except UnicodeDecodeError as error:
        raise BrokenError(_CUT_SHORT if error.reason == "unexpected end of data" else _NOT_TEXT) from None


_TELLING = 64  # bytes: so much from the first Korean on tells the encoding; one letter alone may be valid in both
_NOT_TEXT = "neither UTF-8 nor CP949 text; download it again, or save it as UTF-8"


def _decoder(piece: bytes) -> codecs.IncrementalDecoder:
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(piece)
    except UnicodeDecodeError:
        return codecs.getincrementaldecoder("cp949")()
    return codecs.getincrementaldecoder("utf-8-sig")()


def rows(pieces: Iterable[bytes]) -> Iterator[Any]:
    """The rows. Raises BrokenError where the text is no whole JSON; an object without the arrays has no rows."""
    text = _Text(decoded(pieces))
    first = text.peek()
    if first == "[":
        yield from _array(text)
    elif first == "{":
        yield from _object(text)
    else:
        raise BrokenError(f"not JSON: it begins with {text.shown()}" if first else "the file is empty")
    if text.peek():
        raise BrokenError(f"not JSON: after its end there is {text.shown()}")


def _array(text: "_Text") -> Iterator[Any]:
    text.take("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() != "]":
            text.take(",")
    text.take("]")


def _object(text: "_Text") -> Iterator[Any]:
    text.take("{")
    while text.peek() != "}":
        key = text.value()
        text.take(":")
        if key in ARRAYS and text.peek() == "[":
            yield from _array(text)
        else:
            text.value()
        if text.peek() != "}":
            text.take(",")
    text.take("}")


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

    def take(self, mark: str) -> None:
        """Passes over a mark, which must be there."""
        if found := self.peek():
            if found != mark:
                raise BrokenError(f"not JSON: expected {mark} but found {self.shown()}")
            self._at += 1
        else:
            raise BrokenError(_CUT_SHORT)

    def value(self) -> Any:
        """The next value. What does not parse is tried again with more text only where more text can mend it."""
        self.peek()
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not (error.msg.startswith("Unterminated string") or error.pos > len(self._text) - 8):
                    raise BrokenError(f"not JSON: {error.msg}") from None
                if not self._longer():
                    raise BrokenError(_CUT_SHORT) from None
            except (ValueError, RecursionError):
                raise BrokenError("not JSON: nested too deeply or a number too long") from None
            else:
                if end < len(self._text) or not self._longer():  # a number at the end of a piece may go on
                    self._at = end
                    return value

    def _longer(self) -> bool:
        if len(self._text) - self._at > MAX_ROW:
            raise BrokenError(f"a row of over {MAX_ROW:,} characters; is this a file of AI Hub?")
        return self._more()

    def shown(self) -> str:
        return repr(self._text[self._at : self._at + 40])
