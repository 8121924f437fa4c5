"""Who is told a stored answer again: whoever could read now what it is about (2.3.end, 2.4.5, 7.6)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kernel.identity import Principal
from kernel.requests import Transaction, check_unnamed
from regulation.conduct import check_undertaking
from services.scoring.access import dossier_of, panel_for, recused_from
from services.scoring.sheet import own
from services.scoring.tables import Disqualified


def revisit(transaction: Transaction, caller: Principal, answer: Mapping[str, Any]) -> None:
    """Raise what a read would where what a stored answer names, or its sheet, panel or dossier, is closed to the caller now.

    A reviewer's word that they are recused, which itself closes what it names, is told again.
    """
    given, path = transaction.request.path_params, transaction.request.url.path
    if transaction.session.get(Disqualified, caller.person) is not None:
        check_undertaking(None, disqualified=True)
    if caller.role != "reviewer" or not path.endswith("/recusals"):
        check_unnamed(transaction, answer, recused_from(transaction.session, caller.person))
    if "/sheets/" in path:
        own(transaction, UUID(given["id"]), caller.person)
    elif "/panels/" in path:
        panel, _ = panel_for(transaction, UUID(given["id"]), caller)
        if "application" in given:
            dossier_of(transaction, panel, UUID(given["application"]), caller.person)
