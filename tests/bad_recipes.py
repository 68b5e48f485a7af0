"""A corpus of bad recipes: seeded mutations of those that ship, and nasties written by hand.

Every entry is (name, bytes of the file, what the message must name), or None in the last place for
a mutation that is still a recipe."""

import random
from collections.abc import Iterator
from typing import Any

import yaml

from kotune.recipe.axolotl_keys import REFUSED
from tests.conftest import ROOT

Case = tuple[str, bytes, str | None]
SEED = 20261122
GOOD = "model: quickstart-llama\ndata:\n  - source: nli_sample\n"
# Recipes without a local path, so that a mutation is bad for one reason alone.
REAL = sorted(
    p for p in (ROOT / "recipes").glob("*_lora.yml") if "path:" not in p.read_text(encoding="utf-8")
)
# Of every key's values, none is of the right kind.
WRONG: dict[str, list[Any]] = {
    "model": [
        3,
        True,
        ["a"],
        {"a": 1},
        "",
        "x" * 5000,
        "../../../../etc",
        "a//b",
        "file:///etc/passwd",
        "모델",
    ],
    "adapter": [3, False, ["lora"], {"lora": 1}, "LORA", "", "full"],
    "data": [
        3,
        "klue_nli",
        {"source": "klue_nli"},
        [],
        [[]],
        [None],
        [3],
        ["klue_nli"],
        [{}],
        [{"source": "nsmc"}] * 2,
    ],
    "tasks": [
        3,
        "klue_nli_ko",
        {"klue_nli_ko": 1},
        [],
        [3],
        [None],
        [["klue_nli_ko"]],
        ["../klue_nli_ko"],
        ["a", "b"],
    ],
    "seed": [-1, 2**32, 1.5, "42", True, [], {}],
    "seeds": [3, [], {}, [-1], [2**32], [1.5], ["42"], [True], [[1]], [1, 1], [*range(11)]],
    "template": [
        3,
        True,
        [],
        {},
        "nowhere.jinja",
        "/etc/passwd",
        "/dev/zero",
        str(ROOT / "LICENSE"),
        str(ROOT),
    ],
    "leaks": [3, "dorp", "", [], {}, True],
    "axolotl": [
        3,
        "lora_r: 8",
        [],
        [{"lora_r": 8}],
        {"lora_r": "8"},
        {"lora_r": -1},
        {"lora_r": 2.5},
        {"a": {"b": {}}},
    ],
    "template_kwargs": [
        3,
        [],
        {"x": 1.5},
        {"x": None},
        {"x": [1]},
        {"a b": 1},
        {"_x": True},
        {"messages": "x"},
        {"x": "y" * 5000},
        {f"x{n}": n for n in range(99)},
        {"x %}{{ 1 }}": 1},
    ],
    "data_path": [
        3,
        "x",
        [],
        {"nsmc": 3},
        {"nsmc": "/nowhere"},
        {"nsmc": []},
        {"nowhere": "."},
        {"nsmc": "/etc/passwd"},
    ],
}
IN_DATA: dict[str, list[Any]] = {
    "source": [
        3,
        None,
        "",
        "klue",
        ["klue_nli"],
        "../klue_nli",
        "os",
        "__init__",
        "paraphrases",
        True,
    ],
    "form": [3, "", "lable", [], {}, True],
    "path": [
        3,
        "/nowhere",
        "/etc/passwd",
        "\t",
        [],
        {},
        "https://example.org/x",
        "~root/x",
        "x" * 5000,
    ],
    "samples": [0, -1, 1.5, "10", True, []],
    "weight": [0, -1, 101, "2", True, [], float("inf"), float("nan")],
    "revision": [3, "main", "a" * 39, "g" * 40, [], "../main"],
}
TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ" * 2
SECRETS = {
    "hub_token": "anything",
    "wandb_api_key": "anything",
    "wandb_name": "0123456789abcdef" * 3,
    "wandb_project": "aB3dE5gH7jK9" * 3,
    "mlflow_tracking_uri": "https://me:word@example.org",
    "comet_api_key": "anything",
    "comet_workspace": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln",
    "default_system_message": f"use {TOKEN}",
    TOKEN: 1,
}


def corpus() -> list[Case]:
    """All of them, the same in every process."""
    rng = random.Random(SEED)
    return [
        *_mutations(rng),
        *_wrong_kinds(),
        *_refused_keys(),
        *_secrets(),
        *_encodings(),
        *_nasties(),
        *_floods(),
    ]


def _dump(raw: dict[str, Any]) -> bytes:
    return yaml.safe_dump(raw, sort_keys=False, allow_unicode=True).encode()


def _mutations(rng: random.Random) -> Iterator[Case]:
    """Every real recipe with a key dropped, given twice, misspelt, moved a level up or down, and
    the file cut."""
    for path in REAL:
        text, name = path.read_text(encoding="utf-8"), path.stem
        raw: dict[str, Any] = yaml.safe_load(text)
        for key in raw:
            kept = {other: value for other, value in raw.items() if other != key}
            yield f"{name}: no {key}", _dump(kept), key if key in ("model", "data") else None
            yield f"{name}: {key} twice", _dump(raw) + _dump({key: raw[key]}), f"{key}: given twice"
            at = rng.randrange(1, len(key))
            misspelt = key[:at] + key[at] + key[at:]
            yield (
                f"{name}: {misspelt}",
                _dump(kept | {misspelt: raw[key]}),
                f"{misspelt}: unknown key; did you mean {key}?",
            )
            yield (
                f"{name}: {key} below axolotl",
                _dump(kept | {"axolotl": {key: raw[key]}}),
                f"axolotl.{key}",
            )
            yield (
                f"{name}: {key} in capitals",
                _dump(kept | {key.upper(): raw[key]}),
                f"{key.upper()}: unknown key",
            )
        yield f"{name}: a list", _dump([raw]), "a recipe is a mapping"  # type: ignore[arg-type]
        yield f"{name}: a word", name.encode(), "a recipe is a mapping"
        yield f"{name}: tab", text.replace("  - source", "\t- source").encode(), "not valid YAML"
        yield f"{name}: cut", text[: text.index("source") + 6].encode(), "data.0"
        yield f"{name}: twice", (text + "\n---\n" + text).encode(), "not valid YAML"
        place = rng.randrange(text.index("model:"), len(text))
        yield (
            f"{name}: NUL",
            (text[:place] + "\0" + text[place:]).encode(),
            "a character that is not shown",
        )


def _wrong_kinds() -> Iterator[Case]:
    good = yaml.safe_load(GOOD)
    for key, values in WRONG.items():
        for value in values:
            yield f"{key} {value!r:.40}", _dump(good | {key: value}), key
    for key, values in IN_DATA.items():
        for value in values:
            yield (
                f"data.{key} {value!r:.40}",
                _dump(good | {"data": [good["data"][0] | {key: value}]}),
                f"data.0.{key}",
            )


def _refused_keys() -> Iterator[Case]:
    for key in REFUSED:
        yield f"axolotl.{key}", _axolotl({key: "x"}), f"axolotl.{key}: "
    yield (
        "resume",
        _axolotl({"resume_from_checkpoint": "/x"}),
        "axolotl.resume_from_checkpoint: kotune sets this",
    )
    yield "output_dir", _axolotl({"output_dir": "../../x"}), "axolotl.output_dir: kotune sets this"
    yield (
        "prepared",
        _axolotl({"dataset_prepared_path": "/x"}),
        "axolotl.dataset_prepared_path: kotune sets this",
    )
    yield "8bit", _axolotl({"load_in_8bit": True}), "axolotl.load_in_8bit: kotune sets this"
    yield (
        "elsewhere",
        _axolotl({"datasets": [{"path": "evil/data"}]}),
        "axolotl.datasets.0.path: follows from `data`",
    )
    yield (
        "code in data",
        _axolotl({"datasets": [{"trust_remote_code": True}]}),
        "axolotl.datasets.0.trust_remote_code",
    )
    yield "type", _axolotl({"datasets": [{"type": "evil.module"}]}), "axolotl.datasets.0.type"
    yield "two sets", _axolotl({"datasets": [{}, {}]}), "axolotl.datasets: one entry at most"
    yield (
        "callbacks",
        _axolotl({"callbacks": ["evil.Callback"]}),
        "axolotl.callbacks: Axolotl has no such key",
    )
    yield (
        "kernels",
        _axolotl({"attn_implementation": "evil/kernels"}),
        "axolotl.attn_implementation: must be one of",
    )
    yield (
        "pinned kernels",
        _axolotl({"experts_implementation": "evil/k:f"}),
        "axolotl.experts_implementation: must be one of",
    )
    yield ("deepspeed", _axolotl({"deepspeed": "/x/zero3.json"}), "axolotl.deepspeed: is a file")
    yield (
        "deepspeed url",
        _axolotl({"deepspeed": "https://example.org/z.json"}),
        "axolotl.deepspeed: is a file",
    )
    yield (
        "fsdp",
        _axolotl({"fsdp_config": {"config_file": "/x"}}),
        "axolotl.fsdp_config.config_file",
    )
    yield (
        "nan",
        _axolotl({"weight_decay": float("nan")}),
        "axolotl.weight_decay: must be a finite number",
    )
    yield (
        "a list of nan",
        _axolotl({"adam_beta1": float("-inf")}),
        "axolotl.adam_beta1: must be a finite number",
    )
    yield "float batch", _axolotl({"batch_size": 16.0}), "axolotl.batch_size: expected integer"
    yield (
        "config of the web",
        b"model: https://example.org/recipe.yml\ndata: [{source: nli_sample}]",
        "model: `https://",
    )


def _secrets() -> Iterator[Case]:
    for key, value in SECRETS.items():
        yield f"secret {key}", _axolotl({key: value}), "a secret has no place in a recipe"
    for key in ("model", "adapter", "template", "leaks"):
        yield (
            f"secret in {key}",
            _dump(yaml.safe_load(GOOD) | {key: TOKEN}),
            f"{key}: a secret has no place",
        )
    yield (
        "secret address",
        _dump(yaml.safe_load(GOOD) | {"model": "https://me:word@example.org/m"}),
        "model: a secret",
    )
    yield "secret tag", f"{GOOD}adapter: !{TOKEN} x".encode(), "adapter: `!***` is a tag"
    yield "secret alias", f"{GOOD}adapter: *{TOKEN}".encode(), "undefined alias"
    yield "secret date", f"{GOOD}? [{TOKEN}]\n: 1".encode(), "a key must be a word"


def _encodings() -> Iterator[Case]:
    korean = GOOD + "axolotl: {wandb_name: 한국어 é}\n"
    yield "UTF-8 with BOM", korean.encode("utf-8-sig"), None
    yield "Windows line ends", korean.replace("\n", "\r\n").encode(), None
    for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp949", "utf-7"):
        told = (
            None
            if codec == "utf-7"
            else "not UTF-8"
            if codec in ("utf-16", "utf-32", "cp949")
            else ""
        )
        yield codec, korean.replace(" é", "").encode(codec), told
    yield "latin-1", (GOOD + "leaks: é\n").encode("latin-1"), "not UTF-8 (byte"
    yield "half a character", GOOD.encode() + b"leaks: \xed\xa0\x80\n", "not UTF-8 (byte"
    yield (
        "cut in a character",
        korean.encode()[: korean.encode().index("한".encode()) + 1],
        "not UTF-8 (byte",
    )
    yield "random bytes", random.Random(SEED).randbytes(4000), ""
    yield "gzip", b"\x1f\x8b\x08" + GOOD.encode(), "not UTF-8"


def _nasties() -> Iterator[Case]:
    laughs = "\n".join(
        ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    )
    yield "billion laughs", laughs.encode(), "a1.0: anchors and aliases"
    yield "a list in itself", b"a: &a [*a]", "a.0: anchors and aliases"
    yield (
        "alias",
        f"{GOOD}tasks: &a [nli_sample_ko]\naxolotl: {{eot_tokens: *a}}".encode(),
        "axolotl.eot_tokens: anchors",
    )
    yield (
        "merge key",
        f"{GOOD}axolotl:\n  <<: {{lora_r: 8}}\n".encode(),
        "axolotl: a key must be a word, found `<<`",
    )
    for tag in (
        "!!python/object/apply:os.system",
        "!!python/name:os.system",
        "!!binary",
        "!!set",
        "!evil",
        "!!timestamp",
    ):
        yield tag, f"{GOOD}leaks: {tag} x\n".encode(), "leaks: `"
    yield "tag on all", b"!!python/object:os.x {a: 1}", "top level: `!!python/object:os.x` is a tag"
    for name, value in {
        "ESC": "\\e[2J",
        "NUL": "\\0",
        "surrogate": "\\ud800",
        "C1": "\\x9b31m",
        "BEL": "\\a",
    }.items():
        yield name, f'{GOOD}adapter: "{value}"\n'.encode(), "adapter: a control character"
        yield f"{name} in a key", f'{GOOD}"a{value}": 1\n'.encode(), "a control character"
    for value in (
        "010",
        "0x2A",
        "0b1",
        "1:30",
        "9" * 400,
        "-0x" + "f" * 4000,
        "1" + ":30" * 3000,
        "1:30.5",
    ):
        yield f"number {value[:20]}", f"{GOOD}seed: {value}\n".encode(), "seed: `"
    for value in ("2e-4", "1,000", "2001-12-14", "=", "1e999999"):
        yield (
            f"number {value}",
            f"{GOOD}axolotl:\n  learning_rate: {value}\n".encode(),
            "learning_rate",
        )
    for name, key in {
        "null": "~",
        "number": "3",
        "boolean": "on",
        "list": "[a]",
        "mapping": "{a: b}",
    }.items():
        yield f"{name} as key", f"{GOOD}? {key}\n: x\n".encode(), "top level: a key must be a word"
    yield "directive", f"%YAML 9.9\n---\n{GOOD}".encode(), "not valid YAML"
    yield (
        "tag directive",
        f"%TAG ! tag:evil,2000:\n---\n{GOOD}leaks: !x drop\n".encode(),
        "leaks: `tag:evil,2000:x`",
    )
    for name, text in {"empty": "", "comment": "# a", "null": "~", "marks": "---\n...\n"}.items():
        yield name, text.encode(), "the file is empty"
    yield "prototype", f"{GOOD}__class__: x\n__init__: y\n".encode(), "__class__: unknown key"
    yield (
        "format",
        f"{GOOD}leaks: '{{0.__class__}} %s {{told}}'\n".encode(),
        "leaks: unknown value `{0.__class__} %s {told}`",
    )


def _floods() -> Iterator[Case]:
    """Small files that could cost much."""
    yield "brackets", b"a: " + b"[" * 10_000, "nested too deeply"
    yield "braces", b"a: " + b"{a: " * 4_000, "nested too deeply"
    yield "dashes", b"- " * 8_000, "nested too deeply"
    yield "question marks", b"? " * 8_000, "nested too deeply"
    yield "closed brackets", b"a: " + b"[" * 8_000 + b"]" * 8_000, "nested too deeply"
    yield "unknown keys", _axolotl({f"k{n}": 1 for n in range(1_500)}), "axolotl.k0"
    yield (
        "unknown top keys",
        _dump(yaml.safe_load(GOOD) | {f"k{n}": 1 for n in range(1_500)}),
        "more problems",
    )
    yield "entries", f"model: quickstart-llama\ndata: [{'{source: x},' * 1_200}]".encode(), "data"
    yield "tasks", f"{GOOD}tasks: [{'nsmc_ko,' * 1_900}]".encode(), "tasks: a task is named twice"
    yield "values", f"{GOOD}tasks: [{'1,' * 8_000}]".encode(), "tasks.0"
    yield "a long key", b"x" * 16_000 + b": 1", ""
    yield "a long line", f"{GOOD}leaks: {'x' * 16_000}".encode(), "leaks: unknown value"
    yield "long text", f"{GOOD}leaks: |\n{'  xyz xyz' * 1_700}".encode(), "leaks"
    yield "quotes", f"{GOOD}leaks: '{chr(39) * 2 * 8_000}'".encode(), "leaks: unknown value"
    yield "too long", GOOD.encode() + b"#" * 20_000, "over 16,384 bytes"


def _axolotl(block: dict[str, Any]) -> bytes:
    return _dump(yaml.safe_load(GOOD) | {"axolotl": block})
