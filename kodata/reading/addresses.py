"""Checks whether an address of the hub is safe to contact, and removes logins from messages. A
login is the part USER:PASSWORD of an address such as https://USER:PASSWORD@HOST."""

import base64
import os
import re
from urllib.parse import unquote, urlsplit

from kodata.errors import DataError

# The host names of loopback addresses, which lead to this machine itself.
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


class RefusedError(DataError):
    """Raised for an address that is not safe to contact, and for an answer of the hub that is not
    safe to use. A retry does not help."""


def is_safe(address: str, also_loopback: bool = True) -> bool:
    """Returns True if nobody on the network can read or change the traffic to an address. This
    holds for https and, if `also_loopback` is True, for http to a loopback address. False for port
    0. Raises ValueError for an invalid address."""
    parts = urlsplit(address)
    is_loopback = bool(_LOOPBACK.fullmatch(parts.hostname or ""))
    return parts.port != 0 and (
        parts.scheme == "https" or (also_loopback and parts.scheme == "http" and is_loopback)
    )


def refuse_address(address: str, endpoint: str) -> None:
    """Raises RefusedError if `address` is not safe to contact, or if an address is invalid. http to
    loopback is safe only if `endpoint`, the hub's address, is http to loopback too."""
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
    """The text with logins replaced by ***.

    The logins in HF_ENDPOINT and in environment variables *_proxy are replaced wherever they or
    their pieces occur (see _secrets). Any other login is replaced if it is in an address."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(r"(?<=//)[^/\s]+@", "***@", text)


def _secrets() -> set[str]:
    """The logins in HF_ENDPOINT and in the environment variables *_proxy, and their pieces between
    special characters. A piece has at least three characters.

    A login is everything between // and the last @ of an address. If a password has unescaped
    special characters, a library may take a piece of it for the host or port, and print it."""
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
    """Returns the hub's address without its login, and the login as the value of an Authorization
    header. The value is None if the address has no login.

    Raises RefusedError if an unescaped /, ? or # is before the last @. It would not be clear where
    the password ends."""
    scheme, slashes, rest = endpoint.partition("//")
    login, sign, host = rest.rpartition("@")
    if re.search(r"[/?#]", login):
        raise RefusedError(
            "HF_ENDPOINT is not a valid address; write special characters of a password as %XX"
        )
    header = "Basic " + base64.b64encode(unquote(login).encode()).decode() if sign else None
    return scheme + slashes + host, header
