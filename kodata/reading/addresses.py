"""Checks whether addresses of the hub and of proxies are safe to contact, and removes their user
names and passwords from messages."""

import base64
import os
import re
from urllib.parse import unquote, urlsplit

from kodata.errors import DataError

_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


class RefusedError(DataError):
    """Raised for an address that is not safe to contact, and for an answer of the hub that is not
    safe to use. A retry does not help."""


def is_safe(address: str, also_loopback: bool = True) -> bool:
    """Whether the traffic to an address cannot be read or changed on the network: https, or http to
    loopback if `also_loopback` is True. False for port 0. Raises ValueError for an invalid
    address."""
    parts = urlsplit(address)
    is_loopback = bool(_LOOPBACK.fullmatch(parts.hostname or ""))
    return parts.port != 0 and (
        parts.scheme == "https" or (also_loopback and parts.scheme == "http" and is_loopback)
    )


def refuse_address(address: str, endpoint: str) -> None:
    """Raises RefusedError if is_safe() is False for the address, or if an address is invalid. http
    to loopback is only accepted if `endpoint`, the hub's address, is http to loopback too."""
    message = "HF_ENDPOINT, or a redirect from it, is not an address that begins with https://"
    try:
        is_local_hub = is_safe(endpoint) and not is_safe(endpoint, also_loopback=False)
        if is_safe(address, also_loopback=is_local_hub):
            return
        if (parts := urlsplit(address)).scheme == "http":
            message = (
                f"{parts.hostname} would be contacted over http, where anybody can read and change"
                " the traffic; use https (HF_ENDPOINT)"
            )
    except ValueError:
        pass
    raise RefusedError(message)


def masked(text: str) -> str:
    """The text with logins (user names and passwords) replaced by ***.

    A login from HF_ENDPOINT or from an environment variable *_proxy is replaced wherever it occurs.
    A part of such a login is replaced too (see _secrets). For every other address in the text, the
    login before its @ is replaced."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(r"(?<=//)[^/\s]+@", "***@", text)


def _secrets() -> set[str]:
    """The logins in HF_ENDPOINT and in the environment variables *_proxy, whole and in pieces of at
    least three characters.

    A login is everything before the last @ of an address. Pieces matter if a password has unescaped
    special characters. A library may then read a piece of the password as a host or port, and print
    it."""
    secrets: set[str] = set()
    for name, value in os.environ.items():
        if name == "HF_ENDPOINT" or name.lower().endswith("_proxy"):
            login = value.rpartition("@")[0].rpartition("//")[2]
            pieces = {login, *re.split(r"[:@/?#]", login)}
            secrets |= {
                text for piece in pieces for text in (piece, unquote(piece)) if len(text) > 2
            }
    return secrets


def without_login(endpoint: str) -> tuple[str, str | None]:
    """Returns the hub's address without its login, and the value of the Authorization header that
    sends the login. The value is None if the address has no login.

    Raises RefusedError if there is an unescaped /, ? or # before the last @, since the end of the
    password is then ambiguous."""
    scheme, slashes, rest = endpoint.partition("//")
    login, sign, host = rest.rpartition("@")
    if re.search(r"[/?#]", login):
        raise RefusedError(
            "HF_ENDPOINT is not a valid address; write special characters of a password as %XX"
        )
    header = "Basic " + base64.b64encode(unquote(login).encode()).decode() if sign else None
    return scheme + slashes + host, header
