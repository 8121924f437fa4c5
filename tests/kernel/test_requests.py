import pytest

from kernel.body import DEEPEST_BODY, check_json
from kernel.problems import Problem


@pytest.mark.parametrize("raw", [b"{}", b'{"a": [1, 2, {"b": "["}]}', b'"\\"["', b"[" * DEEPEST_BODY + b"]" * DEEPEST_BODY, b"1" * 18])
def test_json_that_every_reader_understands_alike_is_taken(raw: bytes) -> None:
    check_json(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b'{"a": 1, "a": 2}',
        b'{"b": {"a": 1, "a": 2}}',
        b"NaN",
        b"-Infinity",
        b"[" * (DEEPEST_BODY + 1) + b"]" * (DEEPEST_BODY + 1),
        b"[" * 100_000,
        b"1" * 19,
    ],
)
def test_json_that_could_do_harm_is_refused(raw: bytes) -> None:
    with pytest.raises(Problem) as refused:
        check_json(raw)
    assert refused.value.kind.status == 400
