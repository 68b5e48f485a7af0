"""One file of a data set on the Hugging Face hub, at a pinned commit.

A file of a commit that is in the hub's cache is used without asking the network; where a card names a moving reference
(`main`) instead of a commit, the network is asked first. We fetch files by name instead of calling
datasets.load_dataset because the latter, when the hub does not answer, takes any cached revision of the data set.
"""

from pathlib import Path

from kodata.errors import DataError, HubDeniedError, HubError

_PATIENCE = 5  # seconds for an answer to the first question


def download(hub_id: str, file: str, revision: str) -> Path:
    """The local path of the file. Raises HubError (try again) or HubDeniedError (trying again does not help)."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(hub_id, file, repo_type="dataset", revision=revision, etag_timeout=_PATIENCE))
    except Exception as error:
        raise explained(error, f"{hub_id} ({file})", f"https://huggingface.co/datasets/{hub_id}") from error


def explained(error: Exception, what: str, page: str) -> Exception:
    """The error in a user's words, or the error itself where it is not about the hub. `page` is where to ask."""
    from httpx import HTTPError
    from huggingface_hub.errors import GatedRepoError

    status = _status(error)
    if isinstance(error, GatedRepoError):  # first: it is also a RepositoryNotFoundError
        return HubDeniedError(
            f"{what}: gated; ask for access at {page}, then set HF_TOKEN or log in with `hf auth login`; "
            "or give a local copy (path: for data, a folder for a model)"
        )
    if status in (401, 403):
        return HubDeniedError(
            f"{what}: the hub refuses (HTTP {status}); set HF_TOKEN or log in with `hf auth login`, or give a local copy"
        )
    if status == 404:
        return HubDeniedError(f"{what}: the hub has nothing there (HTTP 404); check {page}, or give a local copy")
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{what}: the hub's cache cannot be written: {error}; set HF_HOME to a folder with room")
    # RuntimeError: huggingface_hub 1.17 raises it (client closed) when it retries after a failed connection.
    if isinstance(error, (HTTPError, OSError, RuntimeError)):
        answer = f"it answered HTTP {status}" if status else "no answer"
        return HubError(f"{what}: the Hugging Face hub cannot be reached ({answer}); try again, or give a local copy")
    return error


def _status(error: BaseException | None) -> int | None:
    """The HTTP status that an error, or what caused it, carries."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return int(status)
        error = error.__cause__ or error.__context__
    return None
