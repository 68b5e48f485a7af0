"""What the hub, or a mirror in its place (HF_ENDPOINT), may answer: the client of huggingface_hub
with bounds of ours.

Mends in huggingface_hub 1.17.0, for everything that this process asks through it:
- file_download.py joins an ETag and a commit of the answer to the path of the cache, so that
  `"/etc/cron.d/x"` or
  `"../../x"` is written there: only digests and commits of hex digits pass.
- It sends the token over http, too, where the host's name stays the same: only https passes (http
  on loopback, asked for),
  and no other host than the hub's own ever sees a token.
- A body of no announced length is written until the disk is full, and each byte begins the patience
  anew: bodies have a
  largest size and a slowest pace, answers a time within which they begin.
- What is no file goes into memory, however much of it is announced, and lists of files have as many
  pages as the answer says:
  there is a largest size for all of it together, and a largest number of requests.
- A header is logged as a warning for the terminal, as it is.
- A user's name and password in HF_ENDPOINT stand in its error messages: they are taken out, and
  sent as they would be.
"""

import itertools
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from kodata.errors import shown, visible
from kodata.reading.addresses import RefusedError, masked, refuse_address, without_login

# seconds within which an answer begins, all redirects, the look-up of names and slow headers
# included
BEGINS = 30.0
# After so many seconds, fewer bytes a second than this on average are none.
GRACE, SLOWEST = (60.0, 20_000)
# Bytes of a file; parts of a large model's weights have some 5 to 10 billion.
LARGEST = 20_000_000_000
UNANNOUNCED = 100_000_000  # bytes of an answer that does not announce its length
# bytes of all that the hub says in one try beside files; of a list of 10,000 files it is some
# million
ANSWERS = 20_000_000
REQUESTS = 5_000  # GET and HEAD in one try; a model of 160 files of weights needs some 700
PLAIN = ("", "identity")  # a compressed body could be any size

_DIGEST, _COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")
_API = re.compile(r"/api/(models|datasets)/")
_installed = threading.Lock()


def install() -> None:
    """Let huggingface_hub ask through this client alone, from now on and in this process.
    RefusedError for an HF_ENDPOINT whose password cannot be told from its host."""
    from huggingface_hub import constants
    from huggingface_hub.utils import set_client_factory

    with _installed:
        if not _State.installed:
            for handler in logging.getLogger("huggingface_hub").handlers:
                handler.addFilter(_mask)
            set_client_factory(_client)
            _State.installed = True
        constants.HF_HUB_DISABLE_XET = True  # a client of its own, which none of this binds
        _take_login(constants)


def begin() -> None:
    """A new try: what was slow before, or much, is not held against it."""
    _State.began.clear()
    _State.said, _State.asked = 0, itertools.count(1)


class _State:
    installed = False
    login: str | None = None  # of the hub's address, as a header's value
    # Of each address in this try: when, and bytes since.
    began: dict[str, tuple[float, int]] = {}  # noqa: RUF012
    said = 0  # bytes in this try of what is no file
    asked: Iterator[int] = itertools.count(1)  # requests in this try


def _take_login(constants: Any) -> None:
    """Every request to the hub sends them instead, and no error message has them."""
    given = constants.ENDPOINT
    constants.ENDPOINT, login = without_login(given)
    if login:
        _State.login = login
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE
        constants.HUGGINGFACE_CO_URL_TEMPLATE = template.replace(given, constants.ENDPOINT)


def _mask(record: logging.LogRecord) -> bool:
    record.msg, record.args = visible(masked(record.getMessage())), None
    return True


def _client() -> Any:
    """huggingface_hub's own client, bounded."""
    import httpx
    from huggingface_hub.utils._http import hf_request_event_hook

    class Client(httpx.Client):
        def send(
            self, request: httpx.Request, *, stream: bool = False, **more: Any
        ) -> httpx.Response:
            # A redirect, which takes them along, makes a file of no answer.
            request.extensions = {**request.extensions, "path": request.url.path, "is_file": stream}
            response: httpx.Response = _within(
                BEGINS, lambda: super(Client, self).send(request, stream=True, **more)
            )
            if not stream:  # a few bytes, which may be announced and never come
                _within(GRACE, response.read)
            return response

    hooks: dict[str, list[Any]] = {
        "request": [hf_request_event_hook, _on_request],
        "response": [_on_response],
    }
    try:
        return Client(event_hooks=hooks, follow_redirects=True, timeout=None)
    except (ValueError, httpx.InvalidURL):  # what they say holds the address
        raise RefusedError(
            "the address of a proxy (HTTPS_PROXY, ALL_PROXY) is none; mend it, or unset it"
        ) from None


def _within(seconds: float, ask: Any) -> Any:
    """What ask() gives or raises. The search for an address heeds no timeout, and a header that
    comes byte by byte none."""
    from httpx import RemoteProtocolError

    said: list[Any] = []

    def wait() -> None:
        try:
            said.append((ask(), None))
        except BaseException as error:  # raised again by the thread that waits
            said.append((None, error))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(seconds)
    if not said:
        # No timeout: of those it asks six times.
        raise RemoteProtocolError(f"no answer within {seconds:g} s")
    response, error = said[0]
    if error is not None:
        raise error
    return response


def _on_request(request: Any) -> None:
    """Each request of a chain of redirects comes by here."""
    from huggingface_hub import constants

    if request.method in ("GET", "HEAD") and next(_State.asked) > REQUESTS:
        raise RefusedError(
            f"the hub's answers lead to over {REQUESTS:,} requests; look at HF_ENDPOINT"
        )
    refuse_address(str(request.url), constants.ENDPOINT)
    hub = urlsplit(constants.ENDPOINT)
    ports = {"http": 80, "https": 443}
    asked = (request.url.scheme, request.url.host, request.url.port or ports[request.url.scheme])
    if asked != (hub.scheme, (hub.hostname or ""), hub.port or ports[hub.scheme]):
        for name in ("authorization", "cookie"):
            request.headers.pop(name, None)
    elif _State.login:
        request.headers["authorization"] = _State.login
    request.headers["accept-encoding"] = "identity"


def _on_response(response: Any) -> None:
    """Refuse what would be written to the wrong place, or without end."""
    from huggingface_hub import constants

    headers, request = response.headers, response.request
    if "range" not in request.headers:  # else it goes on with a body that it has had a part of
        _State.began.pop(str(request.url), None)
    commit = headers.get("x-repo-commit")
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise RefusedError(
            f"the hub's answer is not to be trusted: its commit is {shown(commit)}; look at"
            " HF_ENDPOINT"
        )
    if (leads_to := headers.get("location", "/")) and not leads_to.startswith("/"):
        refuse_address(leads_to, constants.ENDPOINT)
    followed = 300 <= response.status_code < 400 and leads_to.startswith("/")
    if request.method == "HEAD" and response.status_code < 400 and not followed:
        etag = headers.get("x-linked-etag") or headers.get("etag")
        if etag is not None and not _DIGEST.fullmatch(etag.removeprefix("W/").strip('"')):
            raise RefusedError(
                f"the hub's answer is not to be trusted: its ETag is {shown(etag)}; look at"
                " HF_ENDPOINT"
            )
    if headers.get("content-encoding", "").lower() not in PLAIN:
        raise RefusedError(
            "the hub's answer is compressed although that was not asked for; look at HF_ENDPOINT"
        )
    sizes = [headers[name] for name in ("x-linked-size", "content-length") if name in headers]
    if any(not re.fullmatch(r"\d{1,15}", size) or int(size) > LARGEST for size in sizes):
        raise RefusedError(
            f"the hub announces {shown(max(sizes))} bytes, and a file may have {LARGEST:,}; look at"
            " HF_ENDPOINT"
        )
    most = LARGEST if "content-length" in headers else UNANNOUNCED
    # Of an error, the client reads all.
    is_file = request.extensions.get("is_file", False) and response.status_code < 400
    response.stream = _watched(response.stream, str(request.url), most, is_file)
    if response.status_code == 200 and _is_about(request.extensions.get("path", request.url.path)):
        _refuse_commit(response.read())


def _is_about(path: str) -> bool:
    """Whether a path asks about a repository: a file in one may lie below folders of the same
    names. A mirror may have a path of its own before all."""
    from httpx import URL
    from huggingface_hub import constants

    return bool(_API.match(path.removeprefix(URL(constants.ENDPOINT).path.rstrip("/"))))


def _refuse_commit(body: bytes) -> None:
    """What the hub says of a repository: its commit becomes a folder of the cache."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("the hub's answer is not JSON; look at HF_ENDPOINT") from None
    commit = told.get("sha") if isinstance(told, dict) else None
    if commit is not None and not (isinstance(commit, str) and _COMMIT.fullmatch(commit)):
        raise RefusedError(
            f"the hub's answer is not to be trusted: its commit is {shown(commit)}; look at"
            " HF_ENDPOINT"
        )


def _watched(stream: Any, url: str, most: int, is_file: bool) -> Any:
    """The stream of a body, which ends where it is larger than `most`, or with all else that was
    said in this try than ANSWERS, or slower than SLOWEST. What went before counts, where the client
    goes on with a body that stopped."""
    from httpx import ReadError, SyncByteStream

    class Watched(SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            seen = 0
            for chunk in stream:
                seen += len(chunk)
                if seen > most:
                    raise RefusedError(
                        f"the hub's answer has over {most:,} bytes; look at HF_ENDPOINT"
                    )
                _State.said += 0 if is_file else len(chunk)
                if _State.said > ANSWERS:
                    told = f"the hub says over {ANSWERS:,} bytes of what is to be fetched"
                    raise RefusedError(f"{told}; look at HF_ENDPOINT")
                began, before = _State.began.get(url) or (time.monotonic(), 0)
                _State.began[url] = (began, before + len(chunk))
                elapsed = time.monotonic() - began
                if elapsed > GRACE and before + len(chunk) < SLOWEST * elapsed:
                    # No timeout: after one, it would go on.
                    raise ReadError(f"fewer than {SLOWEST:,} bytes a second")
                yield chunk

        def close(self) -> None:
            stream.close()

    return Watched()
