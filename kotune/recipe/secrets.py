"""Finds secrets in a recipe. A secret in a recipe is an error. The message contains the key, but
never the value.

Tokens must be in environment variables, where Axolotl and the hub's client read them."""

import re
from collections.abc import Iterator
from typing import Any

MESSAGE = (
    "a secret has no place in a recipe, and this looks like one (it is not shown); remove it,"
    " revoke it if it was shared, and set it in the environment (HF_TOKEN, WANDB_API_KEY, ...)"
)
# Matches tokens with the known prefix of a service, JSON web tokens, private keys, and
# user:password@ in an address.
TOKEN = re.compile(
    r"hf_[A-Za-z0-9]{16,}|sk-[\w-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}"
    r"|A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|wandb_v\d_\w{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r"|-----BEGIN"
    r" [A-Z ]*PRIVATE KEY"
    r"|(?<=://)[^\s/@]+@"
)
# Tokens of some services have no prefix. So a text that matches SERVICE_KEY counts as a secret if
# the path of its key contains the name of a service.
SERVICE = re.compile(r"wandb|hub|mlflow|comet|trackio|swanlab")
SERVICE_KEY = re.compile(r"[0-9a-fA-F]{32,}|(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)[\w+/=-]{32,}")
SECRET_NAME = re.compile(  # keys whose value is a secret
    r"(.*_)?(token|api_?key|password|passwd|secret|credentials?|access_key|private_key)",
    re.IGNORECASE,
)
# Names of a tokenizer's special tokens. SECRET_NAME matches them, but they are not secrets.
NOT_SECRET = re.compile(r"(bos|eos|eot|pad|unk|cls|sep|mask|image)_token")


def problems(value: Any, key: str = "") -> Iterator[str]:
    """A message `key.path: problem; what to do` for every key and value that may be a secret.
    `key`: the path of `value`; empty for a whole recipe."""
    if isinstance(value, dict):
        for name, inner in value.items():
            path = f"{key}.{masked(str(name))}".lstrip(".")
            if TOKEN.search(str(name)) or (inner is not None and _is_secret_name(str(name))):
                yield f"{path}: {MESSAGE}"
            else:
                yield from problems(inner, path)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from problems(inner, f"{key}.{index}")
    elif isinstance(value, str) and (
        TOKEN.search(value) or (SERVICE.search(key) and SERVICE_KEY.search(value))
    ):
        yield f"{key}: {MESSAGE}"


def masked(text: str) -> str:
    """The text with every match of TOKEN replaced by ***. Messages that quote a recipe use this."""
    return TOKEN.sub("***", text)


def _is_secret_name(name: str) -> bool:
    return bool(SECRET_NAME.fullmatch(name)) and not NOT_SECRET.fullmatch(name)
