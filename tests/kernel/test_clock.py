from concurrent.futures import ThreadPoolExecutor

from tests.rig import Award


def test_a_clock_that_many_move_at_once_stays_one_clock(award: Award) -> None:
    instants = [f"2026-03-0{day}T09:00:00+08:00" for day in range(1, 9)]

    def move(instant: str) -> int:
        with award.client() as anyone:
            return anyone.put("/demo/clock", json={"now": instant, "running": False}).status_code

    with ThreadPoolExecutor(len(instants)) as pool:
        assert set(pool.map(move, instants)) == {200}
    with award.client() as anyone:
        told = anyone.get("/demo/clock")
    assert told.json()["now"][:10] in {instant[:10] for instant in instants}
