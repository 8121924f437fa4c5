"""Who gets which bundle."""

from uuid import uuid4

from tests.rig import Award


def test_there_is_no_bundle_of_a_cycle_before_its_results_are_published(award: Award) -> None:
    with award.client("committee", "clerk", duties=("office",)) as office, award.client() as anyone, award.client("supervisor") as stranger:
        cycle = office.post("/cycles", json={"year": 2061}).json()["id"]
        for caller in (office, anyone, stranger):
            answer = caller.get(f"/cycles/{cycle}/bundle")
            assert (answer.status_code, answer.json()["code"]) == (404, "absent")
        assert anyone.get(f"/cycles/{uuid4()}/bundle").status_code == 404
        assert anyone.get(f"/cycles/{cycle}/bundle", params={"audience": "supervision"}).status_code == 404
