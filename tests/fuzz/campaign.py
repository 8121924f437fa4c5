"""A campaign against the whole product through its door: the corpus by hand, then what its own OpenAPI document suggests."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case
from schemathesis.core.result import Ok

from embedded.caller import Caller
from tests.fuzz.corpus import DOCUMENTS, DOCX, FILES, NAMES, TEXTS
from tests.intake.applicants import TOWN, Intake, credit_code
from tests.rig import Award
from tests.workflow.committee import ok

MOVES_THE_CLOCK = "/demo/clock"
SIGNS_OUT = "/auth/logout"
ENDINGS = ("/withdrawal", "/submission", "/endorsement")
FAULT = 500
LONGEST_IN_AN_ADDRESS = 500
CALLERS: Mapping[str, Mapping[str, Any]] = {
    "applicant": {"role": "applicant", "person": "applicant-1", "org": credit_code(1)},
    "endorser": {"role": "endorser", "person": "town-1", "body": TOWN},
    "reviewer": {"role": "reviewer", "person": "reviewer-1"},
    "committee": {"role": "committee", "person": "office-1", "duties": ["office", "chair"]},
    "supervisor": {"role": "supervisor", "person": "supervisor-1"},
    "leaver": {"role": "applicant", "person": "applicant-2", "org": credit_code(2)},
    "anyone": {},
}


class Campaign:
    """One product with something in it, every request sent to it counted by its status, and every fault kept."""

    def __init__(self, award: Award) -> None:
        self.award = award
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []
        self._callers: dict[str, Caller] = {}
        intake = Intake(award)
        self.draft = intake.drafted(1)
        self._submitted = intake.submitted(3).id
        self.known = {"cycle": intake.cycle, "cycle_id": intake.cycle, "credit_code": self.draft.code}
        self.known |= {"section": "overview", "criterion": "3.1", "number": "1", "edition": "jindong-2022"}
        self.document: dict[str, Any] = ok(award.client().get("/openapi.json"))

    def caller(self, role: str) -> Caller:
        """Give a caller in this role."""
        if role not in self._callers:
            self._callers[role] = self.award.client(**CALLERS[role])
        return self._callers[role]

    def count(self, what: str, status: int, text: str) -> None:
        """Keep an answer's status, and the whole of a fault."""
        self.statuses[status] += 1
        if status >= FAULT:
            self.faults.append(f"{status} {what}: {text[:400]}")

    def values(self, path: str, of_the_applicant: bool) -> Mapping[str, str]:  # noqa: FBT001 - whose application it is
        """Give what there is for a path's variables; nothing to whoever would end it for all others."""
        if path.endswith(ENDINGS):
            return {}
        return self.known | {"application": self.draft.id if of_the_applicant else self._submitted}

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if MOVES_THE_CLOCK not in path:
                    yield method.upper(), path.removeprefix("/api/v1"), operation

    def send(self, client: Caller, method: str, path: str, **given: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has it
        for name, value in self.values(path, client is self.caller("applicant")).items():
            path = path.replace(f"{{{name}}}", value)
        headers = {"If-Match": '"1"', "Content-Type": "application/json"} | given.pop("headers", {})
        answer = client.request(method, path, headers={name: str(text).encode() for name, text in headers.items()}, **given)
        self.count(f"{method} {path} {str(given)[:300]}", answer.status_code, answer.text)
        return answer

    def run_corpus(self, operations_each: int) -> None:
        """Send every item of the corpus: documents and texts to as many operations in turn as asked, names and files as uploads."""
        taking = [one for one in self.operations() if "requestBody" in one[2] and not one[1].endswith("/attachments")]
        turns = cycle(taking)
        self._upload()
        for document in DOCUMENTS:
            for method, path, operation in islice(turns, operations_each):
                self.send(self.caller(role_for(path, operation)), method, path, content=document)
        for text in TEXTS:
            for method, path, operation in islice(turns, operations_each):
                body = with_text(example_of(self.document, operation), text)
                self.send(self.caller(role_for(path, operation)), method, path, content=json.dumps(body).encode())
            self._send_text_elsewhere(text)

    def _send_text_elsewhere(self, text: str) -> None:
        reads = [one for one in self.operations() if one[0] == "GET"]
        office, short = self.caller("committee"), text[:LONGEST_IN_AN_ADDRESS]
        names = ("cursor", "limit", "cycle", "state", "body", "township", "criterion", "edition", "after", "since")
        method, path, operation = reads[sum(text.encode()) % len(reads)]
        self.send(self.caller(role_for(path, operation)), method, path, params=dict.fromkeys(names, short))
        for place in ("/applications/{}", "/organisations/{}", "/forms/{}", "/cycles/{}", "/awards/{}"):
            self.send(office, "GET", place.format(quote(short, safe="")))
        headers = {"Idempotency-Key": text, "If-Match": text, "If-None-Match": text, "Accept-Language": text, "X-Request-Id": text}
        if text.strip() == text and all(character.isprintable() and character.isascii() for character in text):
            self.send(office, "POST", "/endorsing-bodies", headers=headers, content=b"{}")

    def _upload(self) -> None:
        def upload(content: bytes, name: str) -> None:
            params = {"name": name, "requirement": "3.1"}
            path = f"{self.draft.path}/attachments"
            added = self.send(self.draft.client, "POST", path, params=params, content=content, headers={"Content-Type": "application/pdf"})
            if added.is_success:
                served = self.draft.client.get(f"{path}/{added.json()['id']}/content", headers={"Range": "bytes=0-"})
                self.count(f"GET {path} of what was taken as {name!r}", served.status_code, "")
                if served.content != content:
                    self.faults.append(f"{name!r} came back otherwise")

        for name in NAMES:
            upload(DOCX, name)
        for content in FILES:
            upload(content, "file")

    def run_document(self, examples: int) -> None:
        """Send what each operation's own description suggests, and its near misses, `examples` times."""
        schema = schemathesis.openapi.from_dict(self.document)
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            if MOVES_THE_CLOCK in operation.path:
                continue

            @seed(20_260_301)
            @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy())
            def send(case: Case[Any]) -> None:
                self._send_case(case)

            send()

    def _send_case(self, case: Case[Any]) -> None:
        caller = self.caller(role_for(case.operation.path, case.operation.definition.raw))
        known = self.values(case.operation.path, caller is self.caller("applicant"))
        case.path_parameters = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
        headers = {"Idempotency-Key": uuid4().hex, "If-Match": '"1"'}
        headers |= {name: text for name, text in caller.headers.items() if name == "authorization"}
        answer = case.call(base_url=f"{self.award.address}/api/v1", headers=headers)
        while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "news_under_way" in answer.text:
            answer = case.call(base_url=f"{self.award.address}/api/v1", headers=headers)
        self.count(f"{case.method} {case.path} {case.body!r:.300} {case.query!r:.300}", answer.status_code, answer.text)


def role_for(path: str, operation: Mapping[str, Any]) -> str:
    """Choose a role that the operation opens to; whoever signs out is somebody else, who is not missed."""
    return "leaver" if SIGNS_OUT in path else str(next(iter(operation.get("x-roles", ["anyone"]))))


def example_of(document: Mapping[str, Any], operation: Mapping[str, Any]) -> object:
    """Take an operation's own example of its body."""
    media: Mapping[str, Any] = operation["requestBody"]["content"].get("application/json", {})
    if "examples" in media:
        return next(iter(media["examples"].values()))["value"]
    schema = media.get("schema", {})
    while "$ref" in schema or "oneOf" in schema or "anyOf" in schema:
        several = schema.get("oneOf") or schema.get("anyOf")
        schema = several[0] if several else document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema.get("examples", [{}])[0]


def with_text(example: object, text: str) -> object:
    """Put the text in the place of every string."""
    if isinstance(example, dict):
        return {name: with_text(value, text) for name, value in example.items()}
    if isinstance(example, list):
        return [with_text(one, text) for one in example]
    return text if isinstance(example, str) else example
