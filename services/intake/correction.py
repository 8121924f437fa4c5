"""Return for correction: by the body before it endorses, by the office while a filed application can still be filed again (5.2, 5.3.1)."""

from uuid import UUID

from pydantic import ConfigDict, Field

from kernel.identity import Office
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Body, Reason
from services.intake import access, steps
from services.intake.application import ApplicationAnswer, show
from services.intake.form import SectionRemarks, check_sections
from services.intake.tables import Application, Endorsement

OFFICE = "office"


class Correction(Body):
    """Why an application goes back, and what is to be corrected in which sections."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"remarks": "请补正后重新报送。", "section_remarks": {"indicators": "2024年税金与完税证明不一致。"}}]
        }
    )

    remarks: Reason
    section_remarks: SectionRemarks = Field(default_factory=dict)


def send_back(transaction: Transaction, application: UUID, given: Correction) -> Application:
    """Send a filed application back while the window is open: corrected, submitted and endorsed again it is filed anew.

    Clause 5.3.1.
    """
    found, cycle = access.hold(transaction, application)
    step = steps.check_correction(transaction, found, cycle)
    check_sections(cycle.edition, given.section_remarks)
    found.state, found.filed_at = step.to, None
    found.version += 1
    transaction.session.add(
        Endorsement(
            application_id=found.id,
            number=found.submitted,
            body=OFFICE,
            decision="return",
            opinion="",
            signatory="",
            decided_at=transaction.now,
            decided_by=access.caller(transaction).person,
            **given.model_dump(),
        )
    )
    facts = {"version": found.submitted, "body": OFFICE} | given.model_dump()
    transaction.record("application.returned", f"application:{found.id}", clause=step.clause, facts=facts)
    return found


routes = router("application")


@routes.post("/applications/{application}/correction", operation_id="send_application_back")
def post_correction(
    application: UUID, given: Correction, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> ApplicationAnswer:
    """Send a filed application back for correction while the window is open; it must be endorsed again (5.3.1)."""
    return show(transaction, send_back(transaction, application, given))
