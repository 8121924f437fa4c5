from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from kernel.identity import Policy
from kernel.settings import ServiceName
from regulation import edition
from tests.rig import Award


def policies(dependant: Dependant) -> Iterator[Policy]:
    for needed in dependant.dependencies:
        if isinstance(needed.call, Policy):
            yield needed.call
        yield from policies(needed)


def routes_of(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif (included := getattr(route, "original_router", None)) is not None:
            yield from routes_of(included)


@pytest.mark.parametrize("name", ["gateway", "intake", "scoring", "workflow"])
def test_every_route_declares_one_policy(award: Award, name: ServiceName) -> None:
    program = award.product.door.app if name == "gateway" else award.product.programs[name]
    found = list(routes_of(program.router))
    assert len(found) > 5
    assert [f"{route.methods} {route.path}" for route in found if len(list(policies(route.dependant))) != 1] == []


def test_the_door_describes_the_whole_api_in_one_document(award: Award) -> None:
    with award.client() as anyone:
        document = anyone.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) > 80


def operation_shape(operation: str) -> str:
    method, _, path = operation.partition(" ")
    return f"{method} {'/'.join('{}' if part.startswith('{') else part for part in path.split('/'))}"


def test_every_operation_that_a_clause_names_exists(award: Award) -> None:
    with award.client() as anyone:
        document = anyone.get("/openapi.json").json()
    served = {
        operation_shape(f"{method.upper()} {path.removeprefix('/api/v1')}")
        for path, methods in document["paths"].items()
        for method in methods
    }
    clauses = edition.load("jindong-2022").clauses.values()
    named = {(clause.id, holder) for clause in clauses for holder in clause.by if " /" in holder}
    assert len(named) > 50
    assert sorted((clause, holder) for clause, holder in named if operation_shape(holder) not in served) == []
