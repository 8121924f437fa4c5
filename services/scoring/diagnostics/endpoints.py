"""Where advice is served. What computes is imported with the first question, so that the service starts without NumPy and Matplotlib."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query, Response

from kernel.identity import Principal, roles
from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from services.scoring.access import Stage
from services.scoring.diagnostics.answers import Diagnostics
from services.scoring.diagnostics.reading import Scope, cycle_scope, panel_scope

routes = router("diagnostics")

Adviser = Annotated[Principal, roles("reviewer", "committee", "supervisor")]
PanelId = Annotated[UUID, Path(alias="id")]
CycleId = Annotated[UUID, Path(alias="id")]
AskedStage = Annotated[Stage | None, Query(description="the stage; where left out, the running one, or the last that ran")]
ChartName = Annotated[Literal["radar", "severity", "ranks"], Path(description="radar by category, severity of reviewers, likely places")]
OneApplication = Annotated[UUID | None, Query(description="for the radar: one application's sheets, reviewer by reviewer")]
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}, "description": "the chart, marked as advice"}
}


@routes.get("/panels/{id}/diagnostics", operation_id="diagnose_panel")
def get_panel_diagnostics(key: PanelId, reader: Adviser, transaction: InTransaction, stage: AskedStage = None) -> Diagnostics:
    """Read advice on a panel's opened sheets, as its leader, the office, the committee or a supervisor; never official."""
    from services.scoring.diagnostics.use_cases import diagnose  # noqa: PLC0415 - brings in NumPy

    return diagnose(transaction, panel_scope(transaction, key, reader), stage, key)


@routes.get("/cycles/{id}/diagnostics", operation_id="diagnose_cycle")
def get_cycle_diagnostics(key: CycleId, reader: Adviser, transaction: InTransaction, stage: AskedStage = None) -> Diagnostics:
    """Read advice on a cycle's opened sheets, robustness of its lists included; a leader gets that on the panels they lead."""
    from services.scoring.diagnostics.use_cases import diagnose  # noqa: PLC0415 - brings in NumPy

    return diagnose(transaction, cycle_scope(transaction, key, reader), stage)


@routes.get("/panels/{id}/diagnostics/{chart}.svg", operation_id="draw_panel_diagnostics", response_class=Response, responses=PICTURE)
def get_panel_chart(
    key: PanelId,
    chart: ChartName,
    reader: Adviser,
    transaction: InTransaction,
    stage: AskedStage = None,
    application: OneApplication = None,
) -> Response:
    """See a panel's advice as a chart; labels in the language asked for."""
    return picture(transaction, panel_scope(transaction, key, reader), chart, stage, application)


@routes.get("/cycles/{id}/diagnostics/{chart}.svg", operation_id="draw_cycle_diagnostics", response_class=Response, responses=PICTURE)
def get_cycle_chart(
    key: CycleId,
    chart: ChartName,
    reader: Adviser,
    transaction: InTransaction,
    stage: AskedStage = None,
    application: OneApplication = None,
) -> Response:
    """See a cycle's advice as a chart; labels in the language asked for."""
    return picture(transaction, cycle_scope(transaction, key, reader), chart, stage, application)


def picture(transaction: Transaction, scope: Scope, name: str, stage: Stage | None, application: UUID | None) -> Response:
    """Draw a chart; of an application without opened sheets that this reader may see there is none."""
    from services.scoring.diagnostics.charts import chart  # noqa: PLC0415 - brings in Matplotlib
    from services.scoring.diagnostics.use_cases import look  # noqa: PLC0415 - brings in NumPy

    basis = look(transaction, scope, stage)
    if application is not None and str(application) not in basis.organisations:
        raise absent()
    return Response(chart(name, basis, str(application) if application else None), media_type="image/svg+xml")
