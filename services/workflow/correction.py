"""Corrections of what was published about an award: each is a change that platform clients follow, and the record keeps the reasons."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from sqlalchemy import select

from kernel.identity import Office
from kernel.problems import Kind, Problem, absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Body, Id, Line, Name, Reason
from services.workflow.award import AwardAnswer, show_award, visible_to
from services.workflow.results import lock_results, record_change
from services.workflow.tables import Award

NOT_PUBLISHED = Kind(409, "award_not_published", "该奖项尚未公布", "That award is not published yet")


class Correction(Body):
    """What to put right of an award as it was published, and why; its year, award, credit code and prize are the government's decision."""

    organisation: Name | None = None
    document_number: Annotated[str, Line(120)] | None = None
    rank: int | None = Field(default=None, ge=1, le=1000)
    reasons: Reason

    model_config = ConfigDict(json_schema_extra={"examples": [{"organisation": "金东某机械股份有限公司", "reasons": "公布名单有误字"}]})

    @model_validator(mode="after")
    def _corrects_something(self) -> Self:
        if not self.corrected():
            raise ValueError("name what to correct")
        return self

    def corrected(self) -> dict[str, str | int]:
        """Give the members to correct."""
        return self.model_dump(exclude_none=True, exclude={"reasons"})


def correct(transaction: Transaction, award: Award, correction: Correction) -> None:
    """Put an award right, and tell platform clients; the record keeps what it said before."""
    if award.state == "proposed":
        raise Problem(NOT_PUBLISHED)
    lock_results(transaction)
    before = {name: getattr(award, name) for name in correction.corrected()}
    for name, value in correction.corrected().items():
        setattr(award, name, value)
    award.version += 1
    record_change(transaction, award, "corrected")
    facts = {"before": before, "after": correction.corrected(), "reasons": correction.reasons}
    transaction.record("award.corrected", f"award:{award.id}", clause="5.4.3", facts=facts)


routes = router("award")


@routes.post("/awards/{award_id}/corrections", operation_id="correct_award", status_code=201)
def post_correction(award_id: Id, correction: Correction, office: Office, transaction: InTransaction, _dry_run: DryRun) -> AwardAnswer:
    """Correct what was published about an award (5.4.3)."""
    award = transaction.session.scalar(select(Award).where(Award.id == award_id, visible_to(office)).with_for_update())
    if award is None:
        raise absent()
    correct(transaction, award, correction)
    transaction.session.flush()
    return show_award(transaction, award)
