"""Short notation for JSON schemas, and their violations as mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft7Validator, ValidationError

from deploy.mistakes import Mistake, joined, nearest

TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
ANY: dict[str, Any] = {}
WORDS = {"type": "object", "additionalProperties": TEXT}


def several(items: dict, least: int = 0) -> dict:
    """A list of at least ``least`` items."""
    return {"type": "array", "items": items, "minItems": least}


def mapping(*required: str, **properties: dict) -> dict:
    """An object with these fields and no others; fields named by position are required."""
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def against(value: object, schema: dict[str, Any], path: str = "") -> Iterator[Mistake]:
    """Violations of a JSON schema in ``value``."""
    for error in sorted(Draft7Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.path))):
        yield from explained(error, path)


def explained(error: ValidationError, above: str = "") -> Iterator[Mistake]:
    """A violation as mistakes: one for each unknown field, else one."""
    path = ".".join(filter(None, [above, *map(str, error.absolute_path)]))
    match error.validator:
        case "additionalProperties" if isinstance(error.instance, dict):
            known = error.schema.get("properties", {})
            for name in sorted(error.instance.keys() - known.keys()):
                yield Mistake(joined(path, name), error.instance[name], f"one of {nearest(name, known)} in its place")
        case "required":
            yield Mistake(joined(path, error.message.split("'")[1]), None, "a value: it is required")
        case "enum":
            yield Mistake(path, error.instance, nearest(str(error.instance), error.validator_value))
        case "type":
            yield Mistake(path, error.instance, f"of type {error.validator_value}")
        case _:
            yield Mistake(path, error.instance, f"{error.validator} {error.validator_value}")
