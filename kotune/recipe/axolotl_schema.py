"""The full JSON schema of the pinned Axolotl's configuration, kept in the repo so that checking a
recipe imports no torch.

`python -m kotune.recipe.axolotl_schema` writes `axolotl_schema.json` anew from the installed
Axolotl; a test compares the two. `axolotl config-schema` is not used: it prints a banner to stdout
and leaves nested models out."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kodata.errors import did_you_mean
from kotune.recipe.axolotl_keys import AxolotlConfig
from kotune.recipe.strict_yaml import shown

JsonSchema = dict[str, Any]  # of Axolotl, or a part of one

MOST = 20  # unknown keys of one mapping that are looked up and told
SCHEMA_FILE = Path(__file__).with_name("axolotl_schema.json")
KEPT = (
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
    """The kept schema: `properties` (one a top-level key) and `$defs` (nested models)."""
    schema: JsonSchema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def generate() -> JsonSchema:
    """The schema of the installed Axolotl's input model, stripped to what checking needs. Imports
    axolotl (seconds)."""
    from axolotl.utils.schemas.config import AxolotlInputConfig
    from pydantic.json_schema import GenerateJsonSchema

    class Schema(GenerateJsonSchema):
        def enum_schema(self, schema: Any) -> JsonSchema:
            # Axolotl's quantization enum holds torch dtypes, which have no JSON form: a recipe
            # spells them by name.
            values = [
                m.value if isinstance(m.value, (str, int, float)) else m.name
                for m in schema["members"]
            ]
            return {"enum": values}

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchema:
            return {}

    full = AxolotlInputConfig.model_json_schema(schema_generator=Schema)
    return {
        "properties": {name: _strip(field) for name, field in sorted(full["properties"].items())},
        "$defs": {name: _strip(model) for name, model in sorted(full["$defs"].items())},
    }


def problems(block: AxolotlConfig) -> list[tuple[str, str]]:
    """(key path, what is wrong) for every key of an `axolotl:` block that Axolotl does not know or
    whose type is wrong.

    Axolotl ignores unknown keys without a word, at the top and inside `datasets[]`; here they are
    errors everywhere."""
    return [told for error in _validator().iter_errors(block) for told in _told(error)]


@cache
def _validator() -> Any:
    """JSON Schema takes 16.0 for an integer; a batch of 16.0 examples would be one of 0.0 after a
    division."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    whole = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    return extend(Draft202012Validator, type_checker=whole)(_closed())  # type: ignore[no-untyped-call]


@cache
def _closed() -> JsonSchema:
    """The schema with unknown keys forbidden in every model, and a recipe's data sets held to the
    one kind we train."""
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


def _told(error: Any) -> list[tuple[str, str]]:
    """A jsonschema error as one or more (key path, message); a union is told by its branch that
    came furthest."""
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "anyOf" and error.context:
        deepest = max(
            error.context,
            key=lambda inner: (len(inner.absolute_path), inner.validator == "additionalProperties"),
        )
        if (
            len(deepest.absolute_path) > len(error.absolute_path)
            or deepest.validator == "additionalProperties"
        ):
            return _told(deepest)
        return [(path, _unexpected(error))]
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        names = [name for name in error.instance if name not in known]
        told = "Axolotl has no such key and would ignore it"
        found = [
            (f"{path}.{shown(name)}".lstrip("."), f"{told}{_near(name, known)}")
            for name in names[:MOST]
        ]
        return found + [(path or "...", f"{len(names) - MOST} more unknown keys")] * (
            len(names) > MOST
        )
    if error.validator == "maxItems":
        return [
            (
                path,
                (
                    "one entry at most: its keys are laid over the data set that kotune writes; use"
                    " `data` for more"
                ),
            )
        ]
    return [(path, _unexpected(error))]


def _unexpected(error: Any) -> str:
    hint = did_you_mean(error.instance, _words(error.schema))
    near = hint if "did you mean" in hint else "; change the value"
    return f"expected {_expected(error.schema)}, found `{shown(error.instance)}`{near}"


def _near(name: str, known: JsonSchema) -> str:
    hint = did_you_mean(name, known)
    return hint if "did you mean" in hint else "; see docs.axolotl.ai for its keys"


def _words(schema: JsonSchema) -> list[str]:
    """The words that a key accepts, whatever else it does."""
    if "$ref" in schema:
        return _words(load()["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
    parts = [word for part in schema.get("anyOf", ()) for word in _words(part)]
    return [
        *parts,
        *map(str, schema.get("enum", ())),
        *([str(schema["const"])] if "const" in schema else []),
    ]


def _expected(schema: JsonSchema) -> str:
    """The accepted types or values of a key, in words."""
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
    """Keep only the validating keywords; titles and descriptions would triple the file."""
    if not isinstance(node, dict):
        return node
    kept = {k: v for k, v in node.items() if k in KEPT}
    for key in ("anyOf", "allOf", "prefixItems"):
        if key in kept:
            kept[key] = [_strip(part) for part in kept[key]]
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = _strip(kept[key])
    if "properties" in kept:
        kept["properties"] = {
            name: _strip(field) for name, field in sorted(kept["properties"].items())
        }
    return kept


if __name__ == "__main__":
    SCHEMA_FILE.write_text(
        json.dumps(generate(), ensure_ascii=False, indent=0) + "\n", encoding="utf-8"
    )
