from datetime import date
from typing import Annotated

import pytest
from pydantic import ValidationError

from kernel.wire import Amount, Body, Day, Instant, Line, Words


class Sample(Body):
    line: Annotated[str, Line(5)] = "a"
    words: Annotated[str, Words(10)] = "a"
    day: Day = date(2026, 1, 1)
    instant: Instant | None = None
    amount: Amount | None = None
    count: int = 0


@pytest.mark.parametrize(
    "body",
    [
        {"line": "12345"},
        {"line": "  12345  "},
        {"words": "two\nlines"},
        {"day": "2026-02-28"},
        {"instant": "2026-03-01T09:00:00+08:00"},
        {"amount": "199999.99"},
    ],
)
def test_what_is_well_formed_is_taken(body: dict[str, object]) -> None:
    Sample.model_validate(body)


@pytest.mark.parametrize(
    "body",
    [
        {"line": ""},
        {"line": "   "},
        {"line": "123456"},
        {"line": "a\nb"},
        {"line": "a\tb"},
        {"words": "a\x00b"},
        {"words": "a\u202eb"},
        {"words": "a\ud800b"},
        {"day": "2026-02-29"},
        {"day": 20260228},
        {"instant": "2026-03-01T09:00:00"},
        {"instant": 1772326800},
        {"amount": "199999.999"},
        {"amount": 199999.99},
        {"amount": "NaN"},
        {"count": "1"},
        {"count": True},
        {"unknown": 1},
    ],
)
def test_what_is_ill_formed_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(body)


def test_text_is_normalised_so_that_the_same_name_is_the_same_text() -> None:
    assert Sample(line="e\u0301").line == "\u00e9"
