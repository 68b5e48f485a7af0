"""Downloads a file of a data set from the Hugging Face hub, at a fixed commit.

A file in the hub's cache is used without the network. A moving reference such as `main` is resolved
to a commit once. Later calls use the same commit, so that train and test files belong together. A
file that does not match the hub's digest is deleted.

datasets.load_dataset is not used, because it takes any cached revision if the hub does not answer.
The retries of huggingface_hub 1.17 are not used either: they ignore Retry-After, wait six times for
up to a minute, and reuse a closed client after a refused connection."""

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kodata.errors import DataError, HubDeniedError, HubError, Translatable, brief
from kodata.reading import addresses, guard

Answer = TypeVar("Answer")

PATIENCE = 5  # the maximum number of seconds until the hub's first answer
PAUSES = (1, 2, 4)  # seconds before tries 2, 3 and 4, unless the hub asks for a longer pause
LONGEST_PAUSE = 60  # seconds; if the hub asks for a longer pause, there is no further try
TEMPORARY = (408, 425, 429)  # HTTP client errors after which a retry may succeed

_SHA256, _GIT_SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")
_LOCAL_COPY = Translatable("or give a local copy (path: for data, a folder for a model)")


def is_commit(path: object) -> bool:
    """Whether a recipe's `path` is a commit (40 hex digits) instead of a folder."""
    return bool(_GIT_SHA1.fullmatch(str(path)))


def commit(file: Path) -> str:
    """The commit of a file that download() returned, from its path in the cache."""
    return next(part for part in reversed(file.parts) if is_commit(part))


def download(hub_id: str, file: str, revision: str) -> Path:
    """Downloads a file of a data set, unless it is in the hub's cache. Returns its path in the
    cache. `hub_id` is the repository, `revision` a commit or reference.

    Raises HubError if the hub cannot be reached, HubDeniedError if it refuses, and DataError if the
    cache cannot be written."""
    return with_retries(lambda: _attempt(hub_id, file, revision))


def with_retries(request: Callable[[], Answer]) -> Answer:
    """The result of request(). If it raises HubError, it is called again after each of PAUSES. If
    all tries fail, or if the hub asks for more than LONGEST_PAUSE seconds, the HubError is
    raised."""
    for pause in PAUSES:
        try:
            return request()
        except HubError as error:
            if error.wait > LONGEST_PAUSE:
                raise
            wait = max(pause, error.wait)
            logging.getLogger(__name__).warning("%s (next try in %.0f s)", error, wait)
            time.sleep(wait)
    return request()


def _attempt(hub_id: str, file: str, revision: str) -> Path:
    """One try of download(). Raises the same errors."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    what = f"{hub_id} ({file})"
    ref = Path(
        constants.HF_HUB_CACHE,
        repo_folder_name(repo_id=hub_id, repo_type="dataset"),
        "refs",
        revision,
    )
    try:
        known = ref.read_text() if ref.is_file() else revision
        cached = try_to_load_from_cache(hub_id, file, revision=known, repo_type="dataset")
        path = Path(cached if isinstance(cached, str) else _fetch(hub_id, file, known))
        if _is_intact(path):
            return path
        path.resolve().unlink()
    except Exception as error:  # malformed answers cause many kinds of errors
        raise explain_error(error, what, f"https://huggingface.co/datasets/{hub_id}") from None
    raise HubError(
        f"{what}: damaged in transfer or in the cache (it does not match the hub's digest), and"
        " removed; try again"
    )


def _fetch(hub_id: str, file: str, revision: str, force: bool = False) -> str:
    """Downloads a file into the cache and returns its path. `force`: discard a partial download of
    an earlier try."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    guard.install()
    guard.begin()
    # If the hub does not answer, this request fails after PATIENCE seconds. hf_hub_download would
    # retry for minutes.
    get_hf_file_metadata(
        hf_hub_url(hub_id, file, repo_type="dataset", revision=revision), timeout=PATIENCE
    )
    try:
        options = {
            "repo_type": "dataset",
            "revision": revision,
            "etag_timeout": PATIENCE,
            "force_download": force,
        }
        return str(hf_hub_download(hub_id, file, **options))
    except HfHubHTTPError as error:
        if force or error.response.status_code != 416:  # the partial download exceeds the file
            raise
        return _fetch(hub_id, file, revision, force=True)


def _is_intact(path: Path) -> bool:
    """Whether the file matches the hub's digest: sha256, or git's sha1 for small files. The digest
    is the name of the file that the path links to.

    True if the digest is not known. On a file system without links, the cache has a copy under the
    file's own name."""
    blob = path.resolve()
    with blob.open("rb") as file:
        if _SHA256.fullmatch(blob.name):
            return hashlib.file_digest(file, "sha256").hexdigest() == blob.name
        if _GIT_SHA1.fullmatch(blob.name):
            git = hashlib.sha1(f"blob {blob.stat().st_size}\0".encode(), usedforsecurity=False)
            return hashlib.file_digest(file, lambda: git).hexdigest() == blob.name
    return True


def explain_error(error: Exception, what: str, page: str) -> DataError:
    """Returns a DataError whose message explains an error to the user. `error` was raised by a
    request to the hub. `what` names what was requested. `page` is the web page of the data set or
    model.

    An error of an unknown kind is reported as a malformed answer, since most of them are raised
    while an answer is parsed."""
    try:
        explained = _known_error(error, what, page)
    except Exception as fault:  # a malformed answer made the error itself unreadable
        explained, error = None, fault
    why = f"{type(error).__name__}: {brief(addresses.masked(str(error)))}"
    mend = "check HF_ENDPOINT" if os.environ.get("HF_ENDPOINT") else "try again later"
    malformed = f"the hub's answer is malformed ({why}); {mend}, {_LOCAL_COPY}"
    return explained or HubDeniedError(f"{what}: {malformed}")


def _known_error(error: Exception, what: str, page: str) -> DataError | None:
    """The explanation of an error of a known kind; None for any other error. The arguments are as
    in explain_error()."""
    from httpx import InvalidURL, RequestError

    chain = _chain(error)
    if refused := next(
        (cause for cause in chain if isinstance(cause, addresses.RefusedError)), None
    ):
        return HubDeniedError(f"{what}: {refused}, {_LOCAL_COPY}")
    # The message of InvalidURL contains the address, and a password in it.
    if any(isinstance(cause, InvalidURL) for cause in chain):
        return HubDeniedError(
            f"{what}: HF_ENDPOINT, or a redirect from it, is not an address; mend or unset it"
        )
    status, wait = _status_and_wait(chain)
    if denied := _denied(chain, status, page):
        return HubDeniedError(
            Translatable(
                "{what}: {denied}, {local_copy}", what=what, denied=denied, local_copy=_LOCAL_COPY
            )
        )
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(
            Translatable(
                "{what}: the hub's cache cannot be written: {reason}; set HF_HOME to a folder"
                " with room",
                what=what,
                reason=addresses.masked(str(error)),
            )
        )
    failed = next(
        (type(cause).__name__ for cause in chain if isinstance(cause, RequestError)), None
    )
    # RuntimeError: huggingface_hub 1.17 raises it (client closed) when it retries after a failed
    # connection.
    if status or failed or isinstance(error, (OSError, RuntimeError)):
        return _unreachable(what, status, failed, wait)
    return None


def _unreachable(what: str, status: int | None, failed: str | None, wait: float) -> HubError:
    """The error for a failed connection, or for the HTTP status of a temporary failure. `failed`:
    the name of the connection's error. `wait`: as in HubError."""
    answer = failed or Translatable("incomplete answer")
    if status:
        answer = Translatable("it answered HTTP {status}", status=status)
    text = Translatable(
        "{what}: the Hugging Face hub cannot be reached ({answer}); try in {wait:,.0f} seconds, or"
        " give a local copy"
        if wait
        else "{what}: the Hugging Face hub cannot be reached ({answer}); try again, or give a local"
        " copy",
        what=what,
        answer=answer,
        wait=wait,
    )
    return HubError(text, wait)


def _denied(chain: list[BaseException], status: int | None, page: str) -> str | None:
    """A message that says why the hub refused and what to do. None if a retry may help. `chain` is
    the result of _chain(), `status` the HTTP status, if any."""
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled

    login = Translatable("set HF_TOKEN or log in with `hf auth login`")
    if isinstance(chain[0], GatedRepoError):
        return Translatable("gated; request access at {page}, then {login}", page=page, login=login)
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in chain):
        return Translatable(
            "not in the hub's cache, and HF_HUB_OFFLINE is set; run once without it"
        )
    if status == 404:
        return Translatable("not on the hub (HTTP 404); check {page}", page=page)
    if status and 400 <= status < 500 and status not in TEMPORARY:
        return Translatable("the hub refuses (HTTP {status}); {login}", status=status, login=login)
    return None


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error, its cause, the cause of its cause, and so on."""
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _status_and_wait(chain: list[BaseException]) -> tuple[int | None, float]:
    """Returns the HTTP status of the hub's answer, and the seconds that the hub asks to wait before
    a retry. The status is None if there was no answer. The seconds are 0 if the hub gives none."""
    from huggingface_hub.utils import parse_ratelimit_headers

    responses = (getattr(error, "response", None) for error in chain)
    response = next((response for response in responses if response is not None), None)
    if response is None:
        return None, 0
    status = int(response.status_code)
    retry_after = response.headers.get("Retry-After", "")
    if retry_after.isdecimal():
        return status, float(retry_after)
    limit = parse_ratelimit_headers(response.headers)
    return status, limit.reset_in_seconds if limit and status == 429 else 0
