"""Checks whether addresses of the hub and of proxies are safe to contact, and removes their user
names and passwords from messages."""

import base64
import os
import re
from urllib.parse import unquote, urlsplit

from kodata.errors import DataError

_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


class RefusedError(DataError):
    """The hub's answer, or an address, must not be trusted. A retry does not help."""


def is_safe(address: str, also_loopback: bool = True) -> bool:
    """Whether nobody on the network can read or change the traffic: https, or http to loopback
    unless `also_loopback` is False. Raises ValueError for an invalid address."""
    parts = urlsplit(address)
    is_loopback = bool(_LOOPBACK.fullmatch(parts.hostname or ""))
    return parts.port != 0 and (
        parts.scheme == "https" or (also_loopback and parts.scheme == "http" and is_loopback)
    )


def refuse_address(address: str, endpoint: str) -> None:
    """Raises RefusedError for an unsafe address. http to loopback is only accepted if `endpoint`,
    the hub's address, is http on loopback too."""
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
    """The text without user names and passwords. Those of addresses in this process's environment
    are removed wherever they occur, also in part. Those of any address in the text are removed
    too."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(r"(?<=//)[^/\s]+@", "***@", text)


def _secrets() -> set[str]:
    """Everything before the last @ in the addresses of the hub and of proxies, whole and in pieces.

    Pieces matter if a password has unescaped special characters. A library may then read part of it
    as a host or port, and print that part."""
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
    """The hub's address without user name and password, and the value of the Authorization header
    that sends them (None if there are none).

    Raises RefusedError if the end of the password is ambiguous."""
    scheme, slashes, rest = endpoint.partition("//")
    login, sign, host = rest.rpartition("@")
    if re.search(r"[/?#]", login):
        raise RefusedError(
            "HF_ENDPOINT is not a valid address; write special characters of a password as %XX"
        )
    header = "Basic " + base64.b64encode(unquote(login).encode()).decode() if sign else None
    return scheme + slashes + host, header
