"""What the alarms and the dashboard ask for is what the programs tell; and a program says so where it is not ready."""

import json
import re
from datetime import timedelta
from pathlib import Path

import anyio
import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # its types are not locked

from kernel import clock, health
from kernel.health import LARGEST_SKEW_SECONDS, newest_revision, obstacle
from tests.rig import Award

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"[a-z][a-z_]*[a-z](?=\{|\[|\)| |$)")
WORDS = frozenset(["sum", "by", "rate", "max", "min", "topk", "histogram_quantile", "on", "group_left", "or", "and", "up"])


def asked(expression: str) -> set[str]:
    bare = re.sub(r"(by|on|group_left) \([^)]*\)|\"[^\"]*\"", "", expression)
    return set(METRIC.findall(bare)) - WORDS


def expressions() -> list[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alarms.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((DEPLOY / "grafana" / "quality-award.json").read_text())["panels"]
    return [rule["expr"] for rule in rules] + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture(scope="module")
def told(award: Award) -> set[str]:
    award.at("2026-01-05T09:00:00+08:00")
    award.client("committee", duties=["office"]).post("/cycles", json={"year": 2026})
    httpx.get(f"{award.address}/api/v1/me", headers={"authorization": "Bearer x.y.z"}, trust_env=False)
    names: set[str] = set()
    for app in (award.product.door.app, *award.product.programs.values()):
        transport = httpx.ASGITransport(app)
        text = award_metrics(transport)
        names |= set(re.findall(r"^([a-z_]+)(?:\{| )", text, re.MULTILINE))
    return names


def award_metrics(transport: httpx.ASGITransport) -> str:
    async def fetch() -> str:
        async with httpx.AsyncClient(transport=transport, base_url="http://program") as client:
            answer = await client.get("/metrics")
            assert answer.is_success
            return answer.text

    return anyio.run(fetch)


def test_every_metric_that_an_alarm_or_a_panel_asks_for_is_told(told: set[str]) -> None:
    wanted = {name for one in expressions() for name in asked(one)}
    assert len(wanted) > 10
    assert sorted(wanted - told) == []


def test_every_lag_has_an_alarm() -> None:
    alarmed = {name for rule in expressions() if ">" in rule for name in asked(rule)}
    assert {"relay_lag_seconds", "record_lag_seconds", "tokens_refused_total"} <= alarmed


def test_a_program_is_ready_at_its_newest_revision_and_above_and_names_what_is_missing_below(award: Award) -> None:
    service = award.product.programs["intake"].state.service
    shipped = newest_revision("intake")
    assert obstacle(service) is None
    service.revision = shipped - 1
    assert obstacle(service) is None
    service.revision = shipped + 1
    assert obstacle(service) == f"the schema intake is at revision intake_{shipped:04}, and must be migrated to {shipped + 1:04}"
    service.revision = shipped


def test_a_clock_apart_from_the_databases_is_named(award: Award, monkeypatch: pytest.MonkeyPatch) -> None:
    service, wall = award.product.programs["intake"].state.service, clock.wall
    for seconds, expected in ((LARGEST_SKEW_SECONDS - 1, None), (LARGEST_SKEW_SECONDS + 3, "this machine's clock and the database's")):
        monkeypatch.setattr(health, "wall", lambda apart=timedelta(seconds=seconds): wall() + apart)
        found = obstacle(service)
        assert (found is None) if expected is None else str(found).startswith(expected)


def test_readiness_answers_at_the_door_and_liveness_asks_nobody(award: Award) -> None:
    for path, status in (("/readyz", "ready"), ("/livez", "alive")):
        assert httpx.get(f"{award.address}{path}", trust_env=False).json() == {"status": status}
