"""A thousand at once over the close of the window."""

from datetime import datetime

import pytest

from tests.intake import rush
from tests.intake.applicants import Intake, absent
from tests.rig import Award
from tests.workflow.committee import ok


@pytest.mark.full
def test_of_a_thousand_at_once_over_the_close_those_of_the_last_instant_count(award: Award) -> None:
    intake = Intake(award)
    ids = rush.copies(award, intake.submitted(1))
    answers = rush.endorse_all(intake, ids)
    rush.check_books(award, answers)
    for application, answer in answers.items():
        receipt = intake.town.get(f"/applications/{application}/receipt")
        if answer.is_success:
            assert datetime.fromisoformat(ok(receipt)["filed_at"]) == datetime.fromisoformat(rush.LAST_INSTANT)
        else:
            absent(receipt)
