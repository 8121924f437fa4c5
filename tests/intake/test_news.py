"""What peers tell of applications that intake never had: heard once, logged, and done with."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.intake.test_reapplication import tell
from tests.rig import Award


@pytest.mark.parametrize(
    ("kind", "facts"),
    [("application.stage_changed", {"stage": "shortlisted"}), ("application.disqualified", {"clause": "3.3.1", "reason": "事故。"})],
)
def test_news_of_an_application_that_never_was_here_is_logged_and_changes_nothing(
    award: Award, caplog: pytest.LogCaptureFixture, kind: str, facts: dict[str, str]
) -> None:
    unknown = str(uuid4())
    tell(award, kind, application=unknown, **facts)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == ["news of an unknown application"]
    engine = award.database("intake")
    with engine.connect() as connection:
        assert (
            connection.execute(text("select count(*) from event where subject = :it"), {"it": f"application:{unknown}"}).scalar_one() == 0
        )
    engine.dispose()
