"""How every request is taken, shown on the cycles of workflow."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import uuid4

import httpx
import pytest

from embedded.caller import Caller
from tests.rig import Award

YEARS = count(2031)


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", "clerk", duties=("office",)) as caller:
        yield caller


def cycle_in(office: Caller, year: int, key: str, **params: str) -> httpx.Response:
    return office.post("/cycles", json={"year": year}, headers={"Idempotency-Key": key}, params=params)


def events_of(award: Award, subject: str) -> int:
    engine = award.database("workflow")
    with engine.connect() as connection:
        found = connection.exec_driver_sql("select count(*) from event where subject = %s", (subject,)).scalar_one()
    engine.dispose()
    return int(found)


def test_a_post_without_a_key_is_not_taken(office: Caller) -> None:
    answer = httpx.post(f"{office.base_url}cycles", json={"year": next(YEARS)}, headers={"Authorization": office.headers["Authorization"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


def test_the_same_request_again_gets_the_same_answer_and_has_no_second_effect(award: Award, office: Caller) -> None:
    year, key = next(YEARS), uuid4().hex
    first, second = cycle_in(office, year, key), cycle_in(office, year, key)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.headers["etag"] == second.headers["etag"]
    assert "idempotent-replayed" in second.headers
    assert events_of(award, f"cycle:{first.json()['id']}") == 1


def test_a_key_used_for_another_body_is_refused(office: Caller) -> None:
    key = uuid4().hex
    assert cycle_in(office, next(YEARS), key).status_code == 201
    answer = cycle_in(office, next(YEARS), key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_refused_request_leaves_its_key_free(office: Caller) -> None:
    year = next(YEARS)
    assert cycle_in(office, year, uuid4().hex).status_code == 201
    key = uuid4().hex
    refused = cycle_in(office, year, key)
    assert (refused.status_code, refused.json()["clause"]) == (409, "1.5")
    assert cycle_in(office, year, key).json()["clause"] == "1.5"


def test_of_many_at_once_with_one_key_exactly_one_takes_effect(award: Award, office: Caller) -> None:
    year, key, start = next(YEARS), uuid4().hex, threading.Barrier(16)

    def send() -> httpx.Response:
        start.wait()
        return cycle_in(office, year, key)

    with ThreadPoolExecutor(16) as pool:
        answers = [one.result() for one in [pool.submit(send) for _ in range(16)]]
    made = [answer for answer in answers if answer.status_code == 201]
    assert {answer.json()["code"] for answer in answers if answer not in made} <= {"idempotency_key_in_flight"}
    assert len({answer.json()["id"] for answer in made}) == 1
    assert events_of(award, f"cycle:{made[0].json()['id']}") == 1


def test_a_dry_run_answers_what_would_happen_and_changes_nothing(award: Award, office: Caller) -> None:
    year = next(YEARS)
    tried = cycle_in(office, year, uuid4().hex, dry_run="true")
    assert tried.status_code == 201
    assert events_of(award, f"cycle:{tried.json()['id']}") == 0
    assert office.get(f"/cycles/{tried.json()['id']}").status_code == 404
    assert cycle_in(office, year, uuid4().hex).status_code == 201


def test_a_dry_run_is_refused_where_there_is_none_and_nothing_is_done(office: Caller) -> None:
    stated = {"code": "dept-dry", "zh": "区试行局", "en": "District Bureau of Trials", "sections": ["G"]}
    refused = office.post("/endorsing-bodies", json=stated, params={"dry_run": "true"})
    assert (refused.status_code, refused.json()["code"]) == (400, "dry_run_unsupported")
    assert "dept-dry" not in office.get("/endorsing-bodies").text
    assert office.post("/endorsing-bodies", json=stated, params={"dry_run": "false"}).status_code == 201


def test_an_unchanged_thing_is_not_sent_twice(office: Caller) -> None:
    made = cycle_in(office, next(YEARS), uuid4().hex).json()
    first = office.get(f"/cycles/{made['id']}")
    again = office.get(f"/cycles/{made['id']}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert office.get(f"/cycles/{made['id']}", headers={"If-None-Match": '"0-0"'}).status_code == 200


def test_an_edit_starts_from_the_current_version(office: Caller) -> None:
    made = cycle_in(office, next(YEARS), uuid4().hex).json()
    path, etag = f"/cycles/{made['id']}/committee", office.get(f"/cycles/{made['id']}").headers["etag"]
    people = ["chair", "vice_chair", "vice_chair", "member"]
    members = [{"person": f"p{number}", "name": "委员", "unit": "单位", "duties": [duty]} for number, duty in enumerate(people)]
    missing = office.put(path, json={"members": members})
    assert (missing.status_code, missing.json()["code"]) == (428, "version_required")
    assert office.put(path, json={"members": members}, headers={"If-Match": "1"}).status_code == 400
    assert office.put(path, json={"members": members}, headers={"If-Match": etag}).is_success
    stale = office.put(path, json={"members": members}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    current = office.get(f"/cycles/{made['id']}")
    assert str(stale.json()["current_version"]) == current.headers["etag"].strip('"').split("-")[0]


def test_a_list_is_read_in_pages_that_neither_repeat_nor_miss(office: Caller) -> None:
    for _ in range(5):
        assert cycle_in(office, next(YEARS), uuid4().hex).status_code == 201
    whole = [one["id"] for one in office.get("/cycles", params={"limit": 200}).json()["items"]]
    found, cursor = [], None
    while True:
        page = office.get("/cycles", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == whole == sorted(whole)


def test_an_error_speaks_the_callers_language_and_names_the_request(office: Caller) -> None:
    english = office.get(f"/cycles/{uuid4()}", headers={"Accept-Language": "en", "X-Request-Id": "my-request"})
    chinese = office.get(f"/cycles/{uuid4()}", headers={"Accept-Language": "fr, zh;q=0.8, en;q=0.1"})
    assert english.headers["content-type"] == chinese.headers["content-type"] == "application/problem+json"
    assert (english.json()["detail"], chinese.json()["detail"]) == ("There is no such thing", "没有这个资源")
    assert english.json()["request_id"] == english.headers["x-request-id"] == "my-request"


def test_a_wrong_field_is_named_by_a_pointer_and_not_echoed(office: Caller) -> None:
    answer = office.post("/cycles", json={"year": "two thousand", "extra": 1})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/body/year", "/body/extra"}
    assert "two thousand" not in answer.text
