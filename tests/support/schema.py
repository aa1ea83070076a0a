"""As much of JSON Schema as that of a definition uses, to check one by it."""

import re

TYPES = {"string": str, "object": dict, "array": list, "boolean": bool, "integer": int}


def violations(value, schema, root=None, path="$"):
    """Return where the value breaks the schema."""
    root = root or schema
    if "$ref" in schema:
        return violations(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, path)
    if "oneOf" in schema:
        fitting = [one for one in schema["oneOf"] if not violations(value, one, root, path)]
        return [] if len(fitting) == 1 else [f"{path} fits {len(fitting)} of oneOf"]
    found = []
    types = schema.get("type", [])
    if types and not any(_is(value, kind) for kind in ([types] if isinstance(types, str) else types)):
        return [f"{path} is no {types}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path} is not one of {schema['enum']}")
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{path} does not match {schema['pattern']}")
        if len(value) < schema.get("minLength", 0):
            found.append(f"{path} is short")
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{path} has {len(value)} items")
        for index, item in enumerate(value):
            found += violations(item, schema.get("items", {}), root, f"{path}[{index}]")
    elif isinstance(value, dict):
        found += _object(value, schema, root, path)
    elif isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{path} is out of bounds")
    return found


def _is(value, kind):
    return isinstance(value, TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))


def _object(value, schema, root, path):
    known, other = schema.get("properties", {}), schema.get("additionalProperties", {})
    found = [f"{path} has no {name}" for name in schema.get("required", []) if name not in value]
    for key, item in value.items():
        inner = known.get(key, other)
        if inner is False:
            found.append(f"{path} has {key}")
        else:
            found += violations(item, inner, root, f"{path}.{key}")
    return found
