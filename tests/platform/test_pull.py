"""A real puller: dlt loads the results into DuckDB, incrementally, and nothing is there twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from embedded.caller import Caller
from tests.intake.applicants import credit_code
from tests.rig import Award
from tests.workflow.committee import ok

PULL = Path(__file__).with_name("pull.py")


def imported(office: Caller, number: int) -> dict[str, Any]:
    row = {
        "credit_code": credit_code(number), "organisation": f"企业{number}", "award": "innovation", "year": 2023, "prize": 150000,
        "document_number": "金东政发〔2023〕18号", "approved_on": "2023-10-12",
    }  # fmt: skip
    made: dict[str, Any] = ok(office.post("/awards/imports", json={"awards": [row]}))["awards"][0]
    return made


def pulled(award: Award, client: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run the puller in a program of its own, that tells nobody what it does."""
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "CLIENT_SECRET": client["client_secret"], "HOME": str(folder)}
    command = [sys.executable, str(PULL), f"{award.address}/api/v1", client["id"], str(folder)]
    done = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.full
def test_dlt_loads_the_results_into_duckdb_twice_and_nothing_is_there_twice(award: Award, tmp_path: Path) -> None:
    award.at("2026-11-20T09:00:00+08:00")
    office = award.client("committee", "office-1", duties=["office"])
    client = ok(office.post("/accounts", json={"kind": "client", "name": "公共数据平台", "scopes": ["results:read"]}))
    awards = [imported(office, 7000 + number) for number in range(5)]
    first = pulled(award, client, tmp_path)
    again = pulled(award, client, tmp_path)
    corrected = {"organisation": "改名公司", "reasons": "公布名单有误字"}
    ok(office.post(f"/awards/{awards[2]['id']}/corrections", json=corrected))
    imported(office, 7005)
    third = pulled(award, client, tmp_path)
    assert (first["loaded"], again["loaded"], third["loaded"]) == (5, 0, 2)
    assert again["table"] == first["table"]
    keys = [row[0] for row in third["table"]]
    assert len(keys) == len(set(keys)) == 6
    assert {row[1]: row[2] for row in third["table"]}["改名公司"] == "corrected"
    print(f"dlt into DuckDB: {first['loaded']} changes, then {again['loaded']}, then {third['loaded']}; {len(keys)} rows, none twice")  # noqa: T201 - the check's figures
