"""What the gateway hears from scoring: who is recused from which organisation, so that its people are absent for them here too (2.4.5)."""

from collections.abc import Mapping

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from gateway.tables import Recusal
from kernel.requests import Transaction
from kernel.service import Listener, News


def on_recusal_declared(transaction: Transaction, news: News) -> None:
    """Keep a recusal."""
    told = {name: news.facts[name] for name in ("person", "credit_code")}
    transaction.session.execute(insert(Recusal).values(told).on_conflict_do_nothing())


def on_recusal_lifted(transaction: Transaction, news: News) -> None:
    """Forget one that the office lifted."""
    lifted = (Recusal.person == news.facts["person"], Recusal.credit_code == news.facts["credit_code"])
    transaction.session.execute(delete(Recusal).where(*lifted))


LISTENERS: Mapping[str, Listener] = {"recusal.declared": on_recusal_declared, "recusal.lifted": on_recusal_lifted}
