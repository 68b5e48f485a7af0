"""Addresses of the hub and of proxies: which of them may be asked, and their names and passwords,
which nobody is to see."""

import base64
import os
import re
from urllib.parse import unquote, urlsplit

from kodata.errors import DataError

_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


class RefusedError(DataError):
    """An answer of the hub, or an address, that is not to be trusted. Asking again does not
    help."""


def is_safe(address: str, also_loopback: bool = True) -> bool:
    """Whether nobody between here and there can read or change what is sent. ValueError for what is
    no address."""
    parts = urlsplit(address)
    is_loopback = bool(_LOOPBACK.fullmatch(parts.hostname or ""))
    return parts.port != 0 and (
        parts.scheme == "https" or (also_loopback and parts.scheme == "http" and is_loopback)
    )


def refuse_address(address: str, endpoint: str) -> None:
    """`endpoint`: whether the hub is on loopback decides whether http on loopback passes."""
    told = "HF_ENDPOINT, or where it leads to, is no address that begins with https://"
    try:
        if is_safe(
            address, also_loopback=is_safe(endpoint) and not is_safe(endpoint, also_loopback=False)
        ):
            return
        if (parts := urlsplit(address)).scheme == "http":
            told = (
                f"{parts.hostname} is asked over http, where anybody can read and change it; use"
                " https (HF_ENDPOINT)"
            )
    except ValueError:
        pass
    raise RefusedError(told)


def masked(text: str) -> str:
    """The text without names and passwords of addresses: those of this environment, in whole and in
    pieces, and any other."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(r"(?<=//)[^/\s]+@", "***@", text)


def _secrets() -> set[str]:
    """What stands before the last @ of the address of the hub or a proxy. It may hold what an
    address must not, so that a library takes a part of it for a host or a port, and says so."""
    found: set[str] = set()
    for name, value in os.environ.items():
        if name == "HF_ENDPOINT" or name.lower().endswith("_proxy"):
            login = value.rpartition("@")[0].rpartition("//")[2]
            pieces = {login, *re.split(r"[:@/?#]", login)}
            found |= {piece for text in pieces for piece in (text, unquote(text)) if len(piece) > 2}
    return found


def without_login(endpoint: str) -> tuple[str, str | None]:
    """The hub's address without a name and password in it, and the header's value that sends them.
    RefusedError where the password cannot be told from the host."""
    scheme, slashes, rest = endpoint.partition("//")
    login, at, host = rest.rpartition("@")
    if re.search(r"[/?#]", login):
        raise RefusedError(
            "HF_ENDPOINT is no address; write special characters of a password as %XX"
        )
    header = "Basic " + base64.b64encode(unquote(login).encode()).decode() if at else None
    return scheme + slashes + host, header
