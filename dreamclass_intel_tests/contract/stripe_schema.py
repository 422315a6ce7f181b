"""JSON Schema of Stripe's resources, derived from the installed SDK's own annotations. Nothing is vendored.

The SDK's source is read, not imported: class bodies keep what the run-time annotations lose (nested scopes,
forward references). A property that is not Optional is required; unknown properties are refused; Stripe's open
enums are taken as closed, so that a misspelt status shows.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import stripe

ROOT = Path(stripe.__file__).parent
Schema = dict[str, Any]
SIMPLE: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Decimal": {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"},
    "Any": {},
}


def schema_of(module: str, name: str) -> Schema:
    """Schema of a class such as ("_subscription", "Subscription"), with all it refers to."""
    definitions: dict[str, Schema] = {}
    root = _reference(module, (name,), definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": definitions}


@cache
def _module(name: str) -> tuple[dict[tuple[str, ...], ast.ClassDef], dict[str, tuple[str, str]]]:
    """Classes of a module by nesting path, and where its imported names come from."""
    tree = ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text())
    classes: dict[tuple[str, ...], ast.ClassDef] = {}

    def collect(nodes: list[ast.stmt], path: tuple[str, ...]) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                classes[(*path, node.name)] = node
                collect(node.body, (*path, node.name))

    collect(tree.body, ())
    imports = {
        alias.asname or alias.name: (node.module.removeprefix("stripe."), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stripe.")
        for alias in node.names
    }
    return classes, imports


def _reference(module: str, path: tuple[str, ...], definitions: dict[str, Schema]) -> Schema:
    key = f"{module}:{'.'.join(path)}"
    if key not in definitions:
        definitions[key] = {}  # holds the place while members refer back to it
        definitions[key] = _object(module, path, definitions)
    return {"$ref": f"#/$defs/{key}"}


def _object(module: str, path: tuple[str, ...], definitions: dict[str, Schema]) -> Schema:
    properties: dict[str, Schema] = {}
    required = []
    for node in _module(module)[0][path].body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name, annotation = node.target.id, node.annotation
        if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "ClassVar":
            continue
        properties[name] = _type(annotation, module, path, definitions)
        if not (isinstance(annotation, ast.Subscript) and _name(annotation.value) == "Optional"):
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _type(node: ast.expr, module: str, path: tuple[str, ...], definitions: dict[str, Schema]) -> Schema:
    def inner(one: ast.expr) -> Schema:
        return _type(one, module, path, definitions)

    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return inner(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Subscript):
        kind, argument = _name(node.value), node.slice
        parts = list(argument.elts) if isinstance(argument, ast.Tuple) else [argument]
        if kind == "Optional":
            return {"anyOf": [inner(argument), {"type": "null"}]}
        if kind == "Literal":
            return {"enum": [ast.literal_eval(part) for part in parts]}
        if kind == "Union":
            literals = [p for p in parts if isinstance(p, ast.Subscript) and _name(p.value) == "Literal"]
            return inner(literals[0]) if literals else {"anyOf": [inner(p) for p in parts]}
        if kind in ("List", "list"):
            return {"type": "array", "items": inner(argument)}
        if kind == "ExpandableField":
            return {"anyOf": [{"type": "string"}, inner(argument)]}
        if kind == "UntypedStripeObject":
            return {"type": "object", "additionalProperties": inner(argument)}
        if kind in ("Dict", "dict"):
            return {"type": "object", "additionalProperties": inner(parts[1])}
        if kind == "ListObject":
            return {
                "type": "object",
                "properties": {
                    "object": {"const": "list"},
                    "data": {"type": "array", "items": inner(argument)},
                    "has_more": {"type": "boolean"},
                    "url": {"type": "string"},
                },
                "required": ["object", "data", "has_more", "url"],
                "additionalProperties": False,
            }
        raise NotImplementedError(ast.unparse(node))
    name = _name(node)
    if name in SIMPLE:
        return SIMPLE[name]
    classes, imports = _module(module)
    for depth in range(len(path), -1, -1):  # the innermost scope wins
        if (*path[:depth], name) in classes:
            return _reference(module, (*path[:depth], name), definitions)
    if name in imports:
        source, original = imports[name]
        return _reference(source, (original,), definitions)
    raise NotImplementedError(f"{module}: {ast.unparse(node)}")
