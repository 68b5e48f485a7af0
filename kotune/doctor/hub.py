"""Checks whether the hub is reachable and whether it gives access to Llama. For each check, one
request is sent, which takes at most TIMEOUT seconds. The token is sent only to the configured
hub."""

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

from kodata.errors import Translatable
from kodata.reading.addresses import RefusedError, is_safe, masked, without_login
from kotune.doctor.finding import Finding

TIMEOUT = 5.0  # seconds for an answer, including the DNS lookup
# Two models of the shipped recipes. Everybody can download OPEN. GATED needs a token and permission
# from its owner.
OPEN, GATED = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "meta-llama/Llama-3.2-1B-Instruct"


def findings(environment: Mapping[str, str], token: str | None) -> Iterator[Finding]:
    """The findings about the token, the hub, and the access to GATED. `environment`: the
    environment variables; `token`: the result of find_token().

    There is no finding about GATED if HF_HUB_OFFLINE is set, or if the hub's address is not safe or
    cannot be reached."""
    token_finding = _token_finding(token, bool(environment.get("HF_TOKEN", "").strip()))
    yield token_finding
    if token_finding.state != "ok":
        token = None  # a malformed token is not sent: http.client would quote it in its error
    endpoint = environment.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        do = Translatable(
            "only files in the hub's cache are used; unset HF_HUB_OFFLINE to download more"
        )
        yield Finding("hub", "warning", Translatable("not checked: HF_HUB_OFFLINE is set"), do)
        return
    if not (host := _host(endpoint)):
        # The value is not shown, because it may contain a password.
        what = Translatable("HF_ENDPOINT is not an address")
        yield Finding(
            "hub", "fix", what, Translatable("give one that begins with https://, or unset it")
        )
        return
    if not is_safe(endpoint):
        what = Translatable(
            "HF_ENDPOINT uses {host} over http, so anybody can read the token and change the files",
            host=host,
        )
        yield Finding(
            "hub",
            "fix",
            what,
            Translatable("give an address that begins with https://, or unset it"),
        )
        return
    answer = request(endpoint, OPEN, None)
    yield _hub_finding(answer, host)
    if isinstance(answer, int):
        yield _access_finding(request(endpoint, GATED, token), token is not None)


def _access_finding(answer: int | str, has_token: bool) -> Finding:
    """The finding about the access to GATED. `answer`: the result of request() for this model;
    `has_token`: whether the request had a token."""
    page = f"https://huggingface.co/{GATED}"
    if isinstance(answer, str):
        return Finding(
            "llama",
            "warning",
            Translatable("unknown: {reason}", reason=answer),
            Translatable("try again"),
        )
    if answer < 400:
        return Finding("llama", "ok", Translatable("the hub gives access to {model}", model=GATED))
    if answer == 401 and has_token:
        return Finding(
            "llama",
            "fix",
            Translatable("the hub does not accept the token"),
            Translatable("create one with read permission, and set HF_TOKEN"),
        )
    if answer in (401, 403):
        do = Translatable("for Llama recipes: accept the licence at {page}", page=page)
        if not has_token:
            do = Translatable(
                "for Llama recipes: accept the licence at {page}, then set HF_TOKEN", page=page
            )
        return Finding(
            "llama",
            "warning",
            Translatable("no permission for {model} (HTTP {status})", model=GATED, status=answer),
            do,
        )
    return Finding(
        "llama",
        "warning",
        Translatable("the hub answers HTTP {status} for {model}", status=answer, model=GATED),
        Translatable("try again, or check {page}", page=page),
    )


def request(endpoint: str, model: str, token: str | None) -> int | str:
    """Request the config.json of a model with HEAD. Returns the HTTP status of the response, or the
    reason why there was no response.

    - `endpoint`: the address of the hub. If it has a user name and password, they are sent instead
      of the token.
    - `model`: a hub id
    - `token`: None for a request without a token

    The call takes at most TIMEOUT seconds. Redirects are not followed, so no other host receives
    the token."""
    endpoint, login = without_login(endpoint)
    authorization = login or (f"Bearer {token}" if token else None)
    headers = {"Authorization": authorization} if authorization else {}
    url = f"{endpoint}/{model}/resolve/main/config.json"
    head = Request(url, headers=headers, method="HEAD")
    answers: list[int | str] = []

    def send() -> None:
        try:
            answers.append(int(build_opener(_NoRedirect).open(head, timeout=TIMEOUT).status))
        except HTTPError as error:
            answers.append(error.code)
        except Exception as error:  # a network error, or a malformed response
            answers.append(_reason(error))

    # In a thread, because the DNS lookup has no timeout.
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    return (
        answers[0] if answers else Translatable("no answer within {seconds:g} s", seconds=TIMEOUT)
    )


def find_token() -> str | None:
    """The value of HF_TOKEN, or else the token that `hf auth login` wrote to a file. None if there
    is no token, or if the file cannot be read."""
    if token := os.environ.get("HF_TOKEN", "").strip():
        return token
    file = Path(os.environ.get("HF_TOKEN_PATH", _home() / "token"))
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def cache() -> Path:
    """The cache folder of huggingface_hub."""
    return Path(os.environ.get("HF_HUB_CACHE", _home() / "hub"))


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Return None, so urllib does not follow the redirect but raises HTTPError with its
        status."""


def _token_finding(token: str | None, is_in_environment: bool) -> Finding:
    """The finding about the token. `is_in_environment`: whether HF_TOKEN is set. If it is not, the
    token comes from a file."""
    if not token:
        return Finding(
            "token",
            "warning",
            Translatable("no HF_TOKEN"),
            Translatable("for Llama recipes: export HF_TOKEN=..., never in a recipe"),
        )
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        return Finding(
            "token",
            "fix",
            Translatable("HF_TOKEN has a space or another character that no token has"),
            Translatable("copy it again"),
        )
    return Finding(
        "token",
        "ok",
        (
            Translatable("HF_TOKEN is set (not shown)")
            if is_in_environment
            else Translatable("logged in with `hf auth login` (not shown)")
        ),
    )


def _hub_finding(answer: int | str, host: str) -> Finding:
    """The finding about the hub. `answer`: the result of request() for OPEN."""
    if isinstance(answer, str):
        do = Translatable(
            "check the network, the proxy and HF_ENDPOINT; the hub's cache and `path:`"
            " work without the hub"
        )
        return Finding(
            "hub",
            "warning",
            Translatable("{host} cannot be reached: {reason}", host=host, reason=answer),
            do,
        )
    if answer >= 500 or answer in (407, 429):
        return Finding(
            "hub",
            "warning",
            Translatable("{host} answers HTTP {status}", host=host, status=answer),
            Translatable("try again later"),
        )
    return Finding("hub", "ok", Translatable("{host} answers", host=host))


def _host(endpoint: str) -> str | None:
    """The host of an address, without user name, password and port. None if the text is not a valid
    address that begins with http:// or https://."""
    try:
        parts = urlsplit(without_login(endpoint)[0])
        return parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except (ValueError, RefusedError):
        return None


def _reason(error: Exception) -> str:
    """The reason why there was no response, in at most 100 characters. If the address is not valid,
    the library's message is not used, because it quotes the address, which may contain a
    password."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, (InvalidURL, ValueError)):
        return Translatable(
            "the address of the hub or of a proxy is not valid (HF_ENDPOINT, HTTPS_PROXY)"
        )
    return masked(" ".join(str(getattr(reason, "strerror", None) or reason).split()))[:100]


def _home() -> Path:
    """The folder of huggingface_hub that has its cache and its token file. It is computed as in
    huggingface_hub, which the light install does not have."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.path.expanduser(home))  # noqa: PTH111  (Path.expanduser() can raise)
