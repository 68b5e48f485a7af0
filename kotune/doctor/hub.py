"""What the hub would give: asked twice, for some seconds at most, and never told more than the
token it is meant for."""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from http.client import InvalidURL
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from kodata.reading.addresses import RefusedError, is_safe, masked, without_login
from kotune.doctor.finding import Finding

PATIENCE = 5.0  # seconds for an answer of the hub, the search for its address included
OPEN, GATED = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "meta-llama/Llama-3.2-1B-Instruct"


def findings(environment: Mapping[str, str], token: str | None) -> Iterator[Finding]:
    """Whether the hub answers, and whether it would give Llama's weights."""
    said = _token_finding(token, "HF_TOKEN" in environment)
    yield said
    token = token if said.state == "ok" else None  # a broken one would stand in an error message
    endpoint = environment.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        do = "what lies in the hub's cache is used; unset HF_HUB_OFFLINE to fetch more"
        yield Finding("hub", "warning", "not asked: HF_HUB_OFFLINE is set", do)
        return
    if not (host := _host(endpoint)):  # nor does it say which: a password may be in there
        yield Finding(
            "hub",
            "fix",
            "HF_ENDPOINT is no address",
            "give one that begins with https://, or unset it",
        )
        return
    if not is_safe(endpoint):
        told = (
            f"HF_ENDPOINT asks {host} over http, where anybody can read the token and change what"
            " comes"
        )
        yield Finding("hub", "fix", told, "give an address that begins with https://, or unset it")
        return
    answer = ask(endpoint, OPEN, None)
    yield _hub_finding(answer, host)
    if isinstance(answer, int):
        yield gated(ask(endpoint, GATED, token), token is not None)


def gated(answer: int | str, has_token: bool) -> Finding:
    """What the hub's answer for a gated model means: an HTTP status, or why there was none."""
    page = f"https://huggingface.co/{GATED}"
    if isinstance(answer, str):
        return Finding("llama", "warning", f"not known: {answer}", "try again")
    if answer < 400:
        return Finding("llama", "ok", f"the hub gives {GATED}")
    if answer == 401 and has_token:
        return Finding(
            "llama",
            "fix",
            "the hub does not accept the token",
            "make a new one with the right to read, and set HF_TOKEN",
        )
    if answer in (401, 403):
        do = f"for Llama recipes: accept the licence at {page}" + (
            "" if has_token else ", then set HF_TOKEN"
        )
        return Finding("llama", "warning", f"no permission for {GATED} (HTTP {answer})", do)
    return Finding(
        "llama",
        "warning",
        f"the hub answers HTTP {answer} for {GATED}",
        f"try again, or look at {page}",
    )


def ask(endpoint: str, model: str, token: str | None) -> int | str:
    """The hub's HTTP status for a model's configuration, or why there is none. Never longer than
    PATIENCE; follows no redirect, so that the token goes nowhere else."""
    endpoint, login = without_login(endpoint)
    known = login or (f"Bearer {token}" if token else None)
    headers = {"Authorization": known} if known else {}
    request = Request(
        f"{endpoint}/{model}/resolve/main/config.json", headers=headers, method="HEAD"
    )
    said: list[int | str] = []

    def wait() -> None:
        try:
            said.append(int(build_opener(_Stay).open(request, timeout=PATIENCE).status))
        except HTTPError as error:
            said.append(error.code)
        except Exception as error:  # of the network, or over an answer that makes no sense
            said.append(_why(error))

    # The search for an address heeds no timeout.
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return said[0] if said else f"no answer within {PATIENCE:g} s"


def token_at_hand() -> str | None:
    """The token that huggingface_hub would send: of the environment, or of its file."""
    if given := os.environ.get("HF_TOKEN", "").strip():
        return given
    file = Path(os.environ.get("HF_TOKEN_PATH", _home() / "token"))
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def cache() -> Path:
    """Where huggingface_hub keeps what it fetched."""
    return Path(os.environ.get("HF_HUB_CACHE", _home() / "hub"))


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect is an answer."""


def _token_finding(token: str | None, of_environment: bool) -> Finding:
    if not token:
        return Finding(
            "token",
            "warning",
            "no HF_TOKEN",
            "for Llama recipes: export HF_TOKEN=..., never in a recipe",
        )
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        return Finding(
            "token",
            "fix",
            "HF_TOKEN holds a space or a character that no token has",
            "copy it again",
        )
    return Finding(
        "token",
        "ok",
        (
            "HF_TOKEN is set (not shown)"
            if of_environment
            else "logged in with `hf auth login` (not shown)"
        ),
    )


def _hub_finding(answer: int | str, host: str) -> Finding:
    if isinstance(answer, str):
        do = (
            "look at the network, the proxy and HF_ENDPOINT; what lies in the hub's cache and"
            " `path:` need no hub"
        )
        return Finding("hub", "warning", f"{host} cannot be reached: {answer}", do)
    if answer >= 500 or answer in (407, 429):
        return Finding("hub", "warning", f"{host} answers HTTP {answer}", "try again later")
    return Finding("hub", "ok", f"{host} answers")


def _host(endpoint: str) -> str | None:
    """The host of an address, which may hold a name and a password too; None for what is no
    address."""
    try:
        parts = urlsplit(without_login(endpoint)[0])
        return parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except (ValueError, RefusedError):
        return None


def _why(error: Exception) -> str:
    """Why there was no answer. What a library says of an address holds a part of it, and a password
    may be in there."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, (InvalidURL, ValueError)):
        return "the address of the hub or of a proxy is none (HF_ENDPOINT, HTTPS_PROXY)"
    return masked(" ".join(str(getattr(reason, "strerror", None) or reason).split()))[:100]


def _home() -> Path:
    """As huggingface_hub has it."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.path.expanduser(home))  # noqa: PTH111  (it never raises)
