"""Merge the services' OpenAPI documents into one, and say in it what holds for every operation."""

import json
from collections.abc import Mapping
from typing import Any, get_args

from kernel.identity import Role
from kernel.service import API

Document = dict[str, Any]

REF = "#/components/schemas/"
METHODS = ("get", "put", "post", "patch", "delete")
PROBLEM_REF = {"$ref": "#/components/responses/Problem"}
PROBLEM: Document = {
    "type": "object",
    "description": "RFC 9457; `clause` and `clause_text` where a clause of the regulation decided.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "examples": ["/docs/problems#version_stale"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "in the language of Accept-Language: zh (default) or en"},
        "code": {"type": "string", "description": "stable"},
        "clause": {"type": "string", "examples": ["3.1"]},
        "clause_text": {"type": "string"},
        "earliest": {"type": "string", "format": "date-time", "description": "from when it would pass, where time alone cures it"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}
ROLES = {role: f"Act as {role}" for role in get_args(Role)}
SECURITY: Document = {
    "person": {
        "type": "oauth2",
        "description": "A person in one role; who holds several chooses one, by `role` or as the scope.",
        "flows": {"password": {"tokenUrl": f"{API}/auth/token", "refreshUrl": f"{API}/auth/token", "scopes": ROLES}},
    },
    "machine": {
        "type": "oauth2",
        "description": "A machine client.",
        "flows": {"clientCredentials": {"tokenUrl": f"{API}/auth/token", "scopes": {"results:read": "Read the results"}}},
    },
}
IDEMPOTENCY_KEY: Document = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The same key and body give the stored answer; the same key with another body is 422.",
    "schema": {"type": "string", "minLength": 8, "maxLength": 128},
}
ABOUT = (
    "One door for registration, application and review of the district government's quality awards. "
    "Errors are [problem documents](/docs/problems); lists are pages `{items, next_cursor}`; "
    "every resource says in `actions` what the caller could do."
)


def merged(parts: Mapping[str, Document]) -> Document:
    """Merge the parts by service name; of schemas with one name and different content each gets its service's name in front."""
    renamed = _clashes(parts)
    paths: Document = {}
    schemas: Document = {"Problem": PROBLEM}
    for service, part in parts.items():
        new_names = {name: service.capitalize() + name for name in renamed}
        for name, schema in _schemas(part).items():
            schemas[new_names.get(name, name)] = _with_refs(schema, new_names)
        for path, operations in part.get("paths", {}).items():
            described = {method: _described(path, method, operations[method]) for method in METHODS if method in operations}
            paths[path] = _with_refs(described, new_names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "金东区政府质量奖 · Jindong District Government Quality Awards", "version": "1", "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted(_tags(paths))],
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas) if name not in {"HTTPValidationError", "ValidationError"}},
            "responses": {
                "Problem": {
                    "description": "A problem",
                    "content": {"application/problem+json": {"schema": {"$ref": REF + "Problem"}}},
                }
            },
            "securitySchemes": SECURITY,
        },
    }


def _schemas(part: Document) -> Document:
    found: Document = part.get("components", {}).get("schemas", {})
    return found


def _clashes(parts: Mapping[str, Document]) -> set[str]:
    seen: dict[str, set[str]] = {}
    for part in parts.values():
        for name in _schemas(part):
            seen.setdefault(name, set()).add(json.dumps(_expanded({"$ref": REF + name}, _schemas(part), ()), sort_keys=True))
    return {name for name, contents in seen.items() if len(contents) > 1}


def _expanded(node: object, schemas: Document, above: tuple[str, ...]) -> object:
    """Write references out, so that schemas are compared by what they mean."""
    if isinstance(node, list):
        return [_expanded(one, schemas, above) for one in node]
    if not isinstance(node, dict):
        return node
    name = node.get("$ref", "")[len(REF) :] if isinstance(node.get("$ref"), str) else ""
    if not name:
        return {key: _expanded(value, schemas, above) for key, value in node.items()}
    return name if name in above else _expanded(schemas[name], schemas, (*above, name))


def _with_refs(node: Any, new_names: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(node, list):
        return [_with_refs(one, new_names) for one in node]
    if isinstance(node, dict):
        return {key: _with_refs(value, new_names) for key, value in node.items()}
    if isinstance(node, str) and node.startswith(REF):
        return REF + new_names.get(node[len(REF) :], node[len(REF) :])
    return node


def _described(path: str, method: str, operation: Document) -> Document:
    """Add to an operation what the kernel holds for all: keys, versions, problems, who may call."""
    parameters = [_as_header(one) for one in operation.get("parameters", [])]
    if method == "post" and not path.startswith(f"{API}/auth/"):
        parameters.append(IDEMPOTENCY_KEY)
    responses = {status: answer for status, answer in operation["responses"].items() if status != "422"}
    described = {**operation, "responses": {**responses, "default": PROBLEM_REF}}
    return described | ({"parameters": parameters} if parameters else {})


def _as_header(parameter: Document) -> Document:
    """Call an edit's If-Match required; FastAPI is told otherwise so that its absence is 428, not 422."""
    if parameter["in"] == "header" and parameter["name"] == "if-match":
        return {**parameter, "name": "If-Match", "required": True, "schema": {"type": "string", "examples": ['"3-5f2a"']}}
    return parameter


def _tags(paths: Document) -> set[str]:
    return {tag for operations in paths.values() for operation in operations.values() for tag in operation.get("tags", [])}
