"""Checks `axolotl:` blocks against the full JSON schema of Axolotl's configuration. The repository
contains the schema of the pinned Axolotl version, so checking a recipe does not import torch.

`python -m kotune.recipe.axolotl_schema` rewrites `axolotl_schema.json` from the installed Axolotl.
A test compares the file with the installed Axolotl. The command `axolotl config-schema` is not
used, because it prints a banner to stdout and omits nested pydantic models."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kodata.errors import Translatable, did_you_mean
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.recipe.strict_yaml import shown

JsonSchema = dict[str, Any]  # the schema of Axolotl, or a part of it

MAX_LISTED_KEYS = 20  # maximum number of unknown keys to list for one mapping
SCHEMA_FILE = Path(__file__).with_name("axolotl_schema.json")
KEYWORDS = (  # keywords of JSON Schema that validation needs; all others are removed
    "$ref",
    "anyOf",
    "allOf",
    "const",
    "enum",
    "type",
    "items",
    "properties",
    "additionalProperties",
    "prefixItems",
)


@cache
def load() -> JsonSchema:
    """The stored schema. `properties` has the top-level keys, and `$defs` has the nested pydantic
    models."""
    schema: JsonSchema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def generate() -> JsonSchema:
    """Generate the schema from the pydantic model AxolotlInputConfig of the installed Axolotl,
    reduced to KEYWORDS. This imports axolotl, which takes seconds."""
    from axolotl.utils.schemas.config import AxolotlInputConfig
    from pydantic.json_schema import GenerateJsonSchema

    class Schema(GenerateJsonSchema):
        def enum_schema(self, schema: Any) -> JsonSchema:
            # The values of Axolotl's quantization enum are torch dtypes, which JSON cannot
            # represent. A recipe uses their names.
            values = [
                m.value if isinstance(m.value, (str, int, float)) else m.name
                for m in schema["members"]
            ]
            return {"enum": values}

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchema:
            return {}  # a type that JSON Schema cannot express accepts every value

    full = AxolotlInputConfig.model_json_schema(schema_generator=Schema)
    return {
        "properties": {name: _strip(field) for name, field in sorted(full["properties"].items())},
        "$defs": {name: _strip(model) for name, model in sorted(full["$defs"].items())},
    }


def problems(block: AxolotlConfig) -> list[tuple[str, str]]:
    """Every unknown key of an `axolotl:` block and every value of a wrong type, as (key path,
    message).

    Axolotl silently ignores unknown keys at the top level and inside `datasets[]`. Here, unknown
    keys are errors at every level."""
    return [problem for error in _validator().iter_errors(block) for problem in _problems_of(error)]


@cache
def _validator() -> Any:
    """The jsonschema validator of `axolotl:` blocks.

    JSON Schema accepts 16.0 as an integer, but this validator does not. Axolotl computes
    gradient_accumulation_steps as batch_size // micro_batch_size. With a batch_size of 16.0, the
    result would be a float."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    return extend(Draft202012Validator, type_checker=checker)(_strict_schema())  # type: ignore[no-untyped-call]


@cache
def _strict_schema() -> JsonSchema:
    """The stored schema with two more rules. Unknown keys are errors in every pydantic model.
    `datasets` must have exactly one entry, of type SFTDataset."""
    schema = load()
    models = {
        name: (
            {**model, "additionalProperties": model.get("additionalProperties", False)}
            if "properties" in model
            else model
        )
        for name, model in schema["$defs"].items()
    }
    entries = {
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": {"$ref": "#/$defs/SFTDataset"},
    }
    properties = {**schema["properties"], "datasets": entries}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": models,
    }


def _problems_of(error: Any) -> list[tuple[str, str]]:
    """Convert a jsonschema error to (key path, message) pairs."""
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "anyOf" and error.context:
        return _union_problems(error, path)
    if error.validator == "additionalProperties":
        return _unknown_keys(error, path)
    if error.validator == "maxItems":
        message = (
            "one entry at most: its keys override those of the data set that kotune writes; use"
            " `data` for more data sets"
        )
        return [(path, message)]
    return [(path, _unexpected(error))]


def _union_problems(error: Any, path: str) -> list[tuple[str, str]]:
    """The problems of a value that fits none of the schemas in an `anyOf`.

    If an error is inside the value, only the deepest error is reported. The user probably meant the
    schema that has this error. An unknown key also counts as an error inside the value. If all
    errors are about the value as a whole, one message lists all accepted types."""
    deepest = max(
        error.context,
        key=lambda inner: (len(inner.absolute_path), inner.validator == "additionalProperties"),
    )
    is_deeper = len(deepest.absolute_path) > len(error.absolute_path)
    if is_deeper or deepest.validator == "additionalProperties":
        return _problems_of(deepest)
    return [(path, _unexpected(error))]


def _unknown_keys(error: Any, path: str) -> list[tuple[str, str]]:
    """A problem for each unknown key of the mapping at `path`. After MAX_LISTED_KEYS keys, one
    problem with the number of the others."""
    known = error.schema.get("properties", {})
    names = [name for name in error.instance if name not in known]
    problems: list[tuple[str, str]] = [
        (f"{path}.{shown(name)}".lstrip("."), _unknown_key(name, known))
        for name in names[:MAX_LISTED_KEYS]
    ]
    if len(names) > MAX_LISTED_KEYS:
        problems.append((path or "...", f"{len(names) - MAX_LISTED_KEYS} more unknown keys"))
    return problems


def _unexpected(error: Any) -> str:
    """A message with the accepted types or values, and the value that was found."""
    hint = did_you_mean(error.instance, _accepted_words(error.schema))
    return Translatable(
        "expected {expected}, found `{found}`{advice}",
        expected=_expected(error.schema),
        found=shown(error.instance),
        advice=hint if "did you mean" in hint else Translatable("; change the value"),
    )


def _unknown_key(name: str, known: JsonSchema) -> Translatable:
    """The message about an unknown key. It ends with a similar key of `known`, or where to look."""
    hint = did_you_mean(name, known)
    if "did you mean" not in hint:
        hint = Translatable("; see docs.axolotl.ai for its keys")
    return Translatable("Axolotl has no such key and would ignore it{hint}", hint=hint)


def _accepted_words(schema: JsonSchema) -> list[str]:
    """The values in all `enum` and `const` of a key's schema, as strings."""
    if "$ref" in schema:
        return _accepted_words(load()["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
    parts = [word for part in schema.get("anyOf", ()) for word in _accepted_words(part)]
    return [
        *parts,
        *map(str, schema.get("enum", ())),
        *([str(schema["const"])] if "const" in schema else []),
    ]


def _expected(schema: JsonSchema) -> str:
    """A description of the types or values that a key accepts."""
    if "$ref" in schema:
        return _expected(load()["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_expected(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    return str(schema.get("type", "a value"))


def _strip(node: Any) -> Any:
    """A copy of a schema with only the keywords in KEYWORDS. Titles and descriptions would triple
    the size of SCHEMA_FILE."""
    if not isinstance(node, dict):
        return node
    stripped = {k: v for k, v in node.items() if k in KEYWORDS}
    for key in ("anyOf", "allOf", "prefixItems"):
        if key in stripped:
            stripped[key] = [_strip(part) for part in stripped[key]]
    for key in ("items", "additionalProperties"):
        if key in stripped:
            stripped[key] = _strip(stripped[key])
    if "properties" in stripped:
        fields = sorted(stripped["properties"].items())
        stripped["properties"] = {name: _strip(field) for name, field in fields}
    return stripped


if __name__ == "__main__":
    SCHEMA_FILE.write_text(
        json.dumps(generate(), ensure_ascii=False, indent=0) + "\n", encoding="utf-8"
    )
