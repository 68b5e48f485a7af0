"""Makes huggingface_hub safe against answers of a hostile or broken hub or mirror (HF_ENDPOINT).

Each item describes a problem of huggingface_hub 1.17.0, then the fix, which applies to all requests
of this process:
- file_download.py joins the ETag and the commit of an answer to the path of the cache. So an ETag
  such as `"/etc/cron.d/x"` or `"../../x"` would write a file outside the cache. Fix: only hex
  digests and commits are accepted.
- The token is sent over http too if a redirect keeps the host name. Fix: only https is accepted
  (and http to loopback if HF_ENDPOINT is http to loopback), and only the hub's own host gets the
  token.
- A body without an announced length is written until the disk is full. A slow body never times out,
  since each byte restarts the timeout. Fix: limits for the size and speed of a body, and for the
  time until an answer begins.
- Answers other than files are read into memory, however large they are. A list of files is followed
  from page to page without a limit. Fix: limits for the total size of these answers and for the
  number of requests.
- A header is logged to the terminal unchanged. Fix: control characters are escaped.
- A user name and password in HF_ENDPOINT appear in error messages. Fix: they are removed from the
  address, and sent to the hub as a header.

A try is one attempt to download a file or to look up a repository. begin() starts a new one."""

import itertools
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from kodata.errors import shown, visible
from kodata.progress import BYTES, Progress, Watch, unwatched
from kodata.reading.addresses import RefusedError, masked, refuse_address, without_login

# An answer must begin within this many seconds, including redirects, name resolution and slow
# headers.
BEGINS = 30.0
# After GRACE seconds, the average speed of a body must be at least SLOWEST bytes a second.
GRACE, SLOWEST = 60.0, 20_000
# The maximum size of a file in bytes. Weight files of large models have 5 to 10 billion.
LARGEST = 20_000_000_000
UNANNOUNCED = 100_000_000  # the same for a body without an announced length
# The maximum total size, in bytes, of the answers in one try that are not files. A list of 10,000
# files takes about a million.
ANSWERS = 20_000_000
# The maximum number of GET and HEAD requests in one try. A model of 160 weight files needs about
# 700.
REQUESTS = 5_000
PLAIN = ("", "identity")  # accepted encodings; a compressed body could unpack to any size

_DIGEST, _COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")
_API = re.compile(r"/api/(models|datasets)/")
_installed, _counting = threading.Lock(), threading.Lock()


def install() -> None:
    """Makes huggingface_hub send all requests of this process with this module's client. Raises
    RefusedError if it is not clear where the password in HF_ENDPOINT ends."""
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars, set_client_factory

    if _State.watch is not unwatched and constants.HF_HUB_DISABLE_PROGRESS_BARS is None:
        disable_progress_bars()
    with _installed:
        if not _State.installed:
            for handler in logging.getLogger("huggingface_hub").handlers:
                handler.addFilter(_mask)
            set_client_factory(_client)
            _State.installed = True
        # huggingface_hub would download some files with another client, Xet, without these limits.
        constants.HF_HUB_DISABLE_XET = True
        _take_login(constants)


def begin() -> None:
    """Begins a new try: resets the counts of bytes, requests and time."""
    _State.began.clear()
    _State.answer_bytes, _State.requests = 0, itertools.count(1)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Context manager: `watch` is called with the bytes of all files that are downloaded in it.
    huggingface_hub then shows no bars of its own in this process."""
    _State.watch, _State.progress = watch, Progress("download", 0, 0, BYTES)
    try:
        yield
    finally:
        _State.watch = unwatched


def _count(expected: int, received: int) -> None:
    """Add expected and received bytes of a file. Several threads may download at a time."""
    with _counting:
        before = _State.progress
        total = (before.total or 0) + expected
        # A body without an announced length has no expected bytes.
        done = before.done + received
        _State.progress = before._replace(done=done, total=max(total, done))
        _State.watch(_State.progress)


class _State:
    """What this module remembers between requests: for the whole process, and for one try."""

    installed = False
    watch: Watch = staticmethod(unwatched)
    progress = Progress("download", 0, 0, BYTES)
    login: str | None = None  # the login in HF_ENDPOINT, as the value of a header
    # For each address in this try: the time when its body began, and the bytes received since.
    began: dict[str, tuple[float, int]] = {}  # noqa: RUF012
    answer_bytes = 0  # the total size in this try of answers that are not files
    requests: Iterator[int] = itertools.count(1)  # counts the requests in this try


def _take_login(constants: Any) -> None:
    """Removes the login from the hub's address, so that no message shows it. _on_request() sends it
    as a header instead. `constants` is the module of huggingface_hub."""
    endpoint = constants.ENDPOINT
    constants.ENDPOINT, login = without_login(endpoint)
    if login:
        _State.login = login
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE
        constants.HUGGINGFACE_CO_URL_TEMPLATE = template.replace(endpoint, constants.ENDPOINT)


def _mask(record: logging.LogRecord) -> bool:
    """A logging filter that masks logins and escapes control characters in a record's message."""
    record.msg, record.args = visible(masked(record.getMessage())), None
    return True


def _client() -> Any:
    """An httpx client like huggingface_hub's own, with the limits of this module. Raises
    RefusedError if the address of a proxy is invalid."""
    import httpx
    from huggingface_hub.utils._http import hf_request_event_hook

    class Client(httpx.Client):
        def send(
            self, request: httpx.Request, *, stream: bool = False, **more: Any
        ) -> httpx.Response:
            # A redirected request keeps these extensions. So the answer to it is checked according
            # to the first request's path, and to whether that request was for a file.
            request.extensions = {**request.extensions, "path": request.url.path, "is_file": stream}
            response: httpx.Response = _within(
                BEGINS, lambda: super(Client, self).send(request, stream=True, **more)
            )
            if not stream:  # the body is short, but it may never arrive
                _within(GRACE, response.read)
            return response

    hooks: dict[str, list[Any]] = {
        "request": [hf_request_event_hook, _on_request],
        "response": [_on_response],
    }
    try:
        return Client(event_hooks=hooks, follow_redirects=True, timeout=None)
    except (ValueError, httpx.InvalidURL):  # these messages contain the address
        raise RefusedError(
            "the address of a proxy (HTTPS_PROXY, ALL_PROXY) is invalid; mend or unset it"
        ) from None


def _within(seconds: float, request: Any) -> Any:
    """Returns the result of request(), or raises its error. Raises RemoteProtocolError if there is
    no result after `seconds`.

    A timeout of httpx does not cover name resolution or headers that arrive byte by byte."""
    from httpx import RemoteProtocolError

    results: list[Any] = []

    def run() -> None:
        try:
            results.append((request(), None))
        except BaseException as error:  # raised again by the waiting thread
            results.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        # Not a timeout error: huggingface_hub would retry it six times.
        raise RemoteProtocolError(f"no answer within {seconds:g} s")
    response, error = results[0]
    if error is not None:
        raise error
    return response


def _on_request(request: Any) -> None:
    """Checks and changes a request before it is sent. Only requests to the hub's own host keep
    their login. Raises RefusedError for an unsafe address, or after more than REQUESTS requests."""
    from huggingface_hub import constants

    if request.method in ("GET", "HEAD") and next(_State.requests) > REQUESTS:
        raise RefusedError(
            f"the hub's answers lead to over {REQUESTS:,} requests; check HF_ENDPOINT"
        )
    refuse_address(str(request.url), constants.ENDPOINT)
    hub = urlsplit(constants.ENDPOINT)
    ports = {"http": 80, "https": 443}
    target = (request.url.scheme, request.url.host, request.url.port or ports[request.url.scheme])
    if target != (hub.scheme, (hub.hostname or ""), hub.port or ports[hub.scheme]):
        for name in ("authorization", "cookie"):
            request.headers.pop(name, None)
    elif _State.login:
        request.headers["authorization"] = _State.login
    request.headers["accept-encoding"] = "identity"


def _on_response(response: Any) -> None:
    """Checks an answer, and limits its body while it is read. Raises RefusedError for a bad commit
    or ETag, an unsafe redirect, a body that is compressed or too large, and a description of a
    repository that is not JSON."""
    from huggingface_hub import constants

    headers, request = response.headers, response.request
    if "range" not in request.headers:  # a request with a range continues an earlier body
        _State.began.pop(str(request.url), None)
    _refuse_commit(headers.get("x-repo-commit"))
    if (location := headers.get("location", "/")) and not location.startswith("/"):
        refuse_address(location, constants.ENDPOINT)
    is_followed = 300 <= response.status_code < 400 and location.startswith("/")
    if request.method == "HEAD" and response.status_code < 400 and not is_followed:
        _refuse_etag(headers.get("x-linked-etag") or headers.get("etag"))
    _refuse_body(headers)
    limit = LARGEST if "content-length" in headers else UNANNOUNCED
    # The body of an error does not count as a file, since the client reads all of it into memory.
    is_file = request.extensions.get("is_file", False) and response.status_code < 400
    size = int(headers.get("content-length", 0)) if is_file else None  # digits: _refuse_body()
    response.stream = _limited(response.stream, str(request.url), limit, size)
    is_success = response.status_code == 200
    if is_success and _is_about_repository(request.extensions.get("path", request.url.path)):
        _refuse_description(response.read())


def _refuse_commit(commit: object) -> None:
    """Raises RefusedError unless a commit is None or 40 hex digits. It becomes the name of a folder
    in the cache."""
    if commit is not None and not (isinstance(commit, str) and _COMMIT.fullmatch(commit)):
        raise RefusedError(
            f"the hub's answer cannot be trusted: its commit is {shown(commit)}; check HF_ENDPOINT"
        )


def _refuse_etag(etag: str | None) -> None:
    """Raises RefusedError unless an ETag is None or a hex digest. It becomes the name of a file in
    the cache."""
    if etag is not None and not _DIGEST.fullmatch(etag.removeprefix("W/").strip('"')):
        raise RefusedError(
            f"the hub's answer cannot be trusted: its ETag is {shown(etag)}; check HF_ENDPOINT"
        )


def _refuse_body(headers: Any) -> None:
    """Raises RefusedError if the headers announce a body that is compressed or too large."""
    if headers.get("content-encoding", "").lower() not in PLAIN:
        raise RefusedError(
            "the hub's answer is compressed although the request forbids it; check HF_ENDPOINT"
        )
    sizes = [headers[name] for name in ("x-linked-size", "content-length") if name in headers]
    if any(not re.fullmatch(r"\d{1,15}", size) or int(size) > LARGEST for size in sizes):
        raise RefusedError(
            f"the hub announces {shown(max(sizes))} bytes, but a file may have at most {LARGEST:,};"
            " check HF_ENDPOINT"
        )


def _is_about_repository(path: str) -> bool:
    """Whether the path of a request asks for the description of a repository, not for a file in
    one. If HF_ENDPOINT has a path itself, it is removed first."""
    from httpx import URL
    from huggingface_hub import constants

    return bool(_API.match(path.removeprefix(URL(constants.ENDPOINT).path.rstrip("/"))))


def _refuse_description(body: bytes) -> None:
    """Raises RefusedError if the description of a repository is not JSON, or if its commit is
    neither missing nor 40 hex digits."""
    try:
        description = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("the hub's answer is not JSON; check HF_ENDPOINT") from None
    _refuse_commit(description.get("sha") if isinstance(description, dict) else None)


def _limited(stream: Any, url: str, limit: int, size: int | None) -> Any:
    """The stream of a body from the address `url`, with limits. `size`: the announced size of a
    file in bytes, 0 if there is none; None if the body is not a file. Reading it raises
    RefusedError if the body has over `limit` bytes, or if the answers of this try that are not
    files have over ANSWERS bytes in total. Reading it raises ReadError if the average speed is
    below SLOWEST after GRACE seconds.

    If a body stops and the client continues it later, the earlier bytes and time count for the
    speed."""
    from httpx import ReadError, SyncByteStream

    class Limited(SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            received = 0
            if size is not None:
                _count(size, 0)
            for chunk in stream:
                received += len(chunk)
                if size is not None:
                    _count(0, len(chunk))
                if received > limit:
                    raise RefusedError(
                        f"the hub's answer has over {limit:,} bytes; check HF_ENDPOINT"
                    )
                _State.answer_bytes += len(chunk) if size is None else 0
                if _State.answer_bytes > ANSWERS:
                    raise RefusedError(
                        f"the hub's answers about a repository have over {ANSWERS:,} bytes; check"
                        " HF_ENDPOINT"
                    )
                began, before = _State.began.get(url) or (time.monotonic(), 0)
                _State.began[url] = (began, before + len(chunk))
                elapsed = time.monotonic() - began
                if elapsed > GRACE and before + len(chunk) < SLOWEST * elapsed:
                    # Not a timeout error: the client would resume the body after one.
                    raise ReadError(f"fewer than {SLOWEST:,} bytes a second")
                yield chunk

        def close(self) -> None:
            stream.close()

    return Limited()
