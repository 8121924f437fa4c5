"""Merge the services' OpenAPI documents into one, and say in it what holds for every operation."""

import json
from collections.abc import Mapping
from typing import Any, get_args

from kernel.identity import Role
from kernel.problems import REFUSED
from kernel.service import API
from regulation.refusal import messages

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
        "description": "A machine client; one that was admitted so signs each request instead (Authorization: HMAC-SHA256 …).",
        "flows": {"clientCredentials": {"tokenUrl": f"{API}/auth/token", "scopes": {"results:read": "Read the results"}}},
    },
}
BY_SIGN_IN: Document = {
    "type": "http",
    "scheme": "bearer",
    "description": "A person in one role, by the access token of `POST /auth/sign-in`.",
}
"""How a person comes in where the password grant is not taken."""
IDEMPOTENCY_KEY: Document = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The same key and body give the stored answer; the same key with another body is 422.",
    "schema": {"type": "string", "minLength": 8, "maxLength": 128},
}
TAGS: Mapping[str, str] = {
    "accounts": "账号：邀请、注册核实、停用 — who may come in: invitations, verified registrations, disabling",
    "application": "申报：申报表、提交、版本、撤回 — the application: its form, submission, versions, withdrawal",
    "approval": "审定批准与公布 — the district government's decision, and publication (5.4.3)",
    "attachment": "附件 — files: streamed both ways, hashed, typed by their content",
    "auth": "登录与口令 — signing in and out, one-time links, passwords; OAuth 2",
    "award": "奖项与奖励 — the awards and their prizes (6.1)",
    "ballot": "议题与表决 — motions and ballots of the committee (5.4.2)",
    "consensus": "合议 — one agreed sheet from the opened ones (2.3.1)",
    "cycle": "评审周期 — the award year: planned, launched, announced, closed",
    "defence": "答辩 — oral defences, where the edition has them (5.4.1)",
    "demo": "演示 — the business clock, in environments demo and test alone",
    "diagnostics": "诊断与建议 — advice beside the official numbers, never official",
    "draws": "抽取评审组 — drawing panels: seeded, explained, replayable (2.2.2)",
    "endorsement": "推荐 — endorsing bodies and their decisions (5.2)",
    "evaluation": "综合评价 — the evaluation report and the candidates (5.4.1)",
    "external honour": "上级荣誉 — honours of higher governments and what the district adds (6.2)",
    "feedback": "反馈报告 — the applicant's feedback report (5.4.3)",
    "honour": "荣誉使用与推广 — the use and promotion of an honour (7.3, 7.4)",
    "interests": "利害关系与保密承诺 — declared interests and undertakings (2.4.5, 7.6)",
    "launch": "启动与通告 — launch and announcement (2.1.1, 5.1)",
    "me": "我与待办 — who am I, and what waits for me",
    "meeting": "会议 — the committee's meetings (2.1.2, 5.4.2)",
    "notice": "公示 — the public notice (5.4.2)",
    "objection": "异议与举报 — objections and reports, one docket (2.2.4, 5.4.2)",
    "organisation": "申报组织 — the applicant organisation (3.1)",
    "panels": "评审组 — panels, recusals, replacements (2.0, 2.4.5)",
    "payment": "奖金与经费 — payments and the cycle's budget (6.1)",
    "record": "存证 — the append-only record: checkpoints, proofs, receipts (7.1)",
    "recusal": "回避申请 — an applicant's requests for recusal (2.4.5)",
    "reopening": "回退 — a step taken back by the committee (2.1.2)",
    "reports": "评审报告 — site plans and the panels' reports (2.3.1–2.3.3)",
    "results": "结果 — the official results, and what platforms pull",
    "reviewers": "评审员 — the roster of reviewers (2.4)",
    "revocation": "撤销 — an honour taken back (7.2, 7.5)",
    "roster": "评委会与监督组 — who sits on the committee and in the supervision group (2.0, 7.1)",
    "rubrics": "评分标准 — the rubrics (4.1)",
    "rules": "实施细则 — the implementation rules (2.1.1)",
    "screening": "资格审查 — screening by criterion (5.3.1)",
    "sheets": "评分表 — sealed sheets (4.1, 4.2)",
    "shortlist": "现场评审名单 — who goes on to site review (5.3.2)",
    "supervision": "监督 — findings of the supervision group (7.1)",
    "verification": "部门核实 — questions to departments (5.3.1)",
}
"""What each group of operations is about."""
ABOUT = (
    "One door for registration, application and review of the district government's quality awards. "
    "Errors are [problem documents](/docs/problems); lists are pages `{items, next_cursor}`; "
    "every resource says in `actions` what the caller could do."
)


def merged(parts: Mapping[str, Document], *, password_grant: bool = True) -> Document:
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
        "tags": [{"name": name, "description": TAGS[name]} for name in sorted(_tags(paths))],
        "paths": paths,
        "x-problems": problems_of(parts),
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas) if name not in {"HTTPValidationError", "ValidationError"}},
            "responses": {
                "Problem": {
                    "description": "A problem",
                    "content": {"application/problem+json": {"schema": {"$ref": REF + "Problem"}}},
                }
            },
            "securitySchemes": SECURITY if password_grant else SECURITY | {"person": BY_SIGN_IN},
        },
    }


def problems_of(parts: Mapping[str, Document]) -> Document:
    """Catalogue every problem code that the API may answer, by code: its status and its sentence in both languages."""
    found = {code: {"status": REFUSED, **said} for code, said in messages().items()}
    for part in parts.values():
        found |= part.get("x-problems", {})
    return dict(sorted(found.items()))


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
    described = {**operation, "responses": {**responses, "4XX": PROBLEM_REF, "5XX": PROBLEM_REF}}
    return described | ({"parameters": parameters} if parameters else {})


def _as_header(parameter: Document) -> Document:
    """Call an edit's If-Match required; FastAPI is told otherwise so that its absence is 428, not 422."""
    if parameter["in"] == "header" and parameter["name"] == "if-match":
        return {**parameter, "name": "If-Match", "required": True, "schema": {"type": "string", "examples": ['"3-5f2a"']}}
    return parameter


def _tags(paths: Document) -> set[str]:
    return {tag for operations in paths.values() for operation in operations.values() for tag in operation.get("tags", [])}
