"""The public notice: when it ends, who may still object, and what the government's approval waits for."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Literal

from regulation.calendar import day, midnight
from regulation.refusal import Refusal


def notice_end(
    published: datetime,
    days: int,
    counting: Literal["calendar", "working"],
    is_working_day: Callable[[date], bool] = lambda _: True,
) -> datetime:
    """Give the instant at which a notice is over: the midnight after `days` full days, of which the day after publication is the first.

    Counting working days, every day for which `is_working_day` is false runs on without being counted.

    Clause 5.4.2.
    """
    on, counted = day(published), 0
    while counted < days:
        on += timedelta(days=1)
        counted += counting == "calendar" or is_working_day(on)
    return midnight(on + timedelta(days=1))


def check_objection_window(published: datetime, end: datetime, now: datetime) -> None:
    """Refuse an objection before its notice is published or once it is over; what comes later is reported to the office instead.

    Clauses 5.4.2, 2.2.4.
    """
    if now < published:
        raise Refusal("notice_not_published", "5.4.2", earliest=published)
    if now >= end:
        raise Refusal("notice_over", "5.4.2", end=end.isoformat())


def check_dismissable(*, of_recusal: bool) -> None:
    """Refuse to dismiss what the office can't judge inadmissible: a recusal found after the vote is the committee's to judge.

    Clause 5.4.2.
    """
    if of_recusal:
        raise Refusal("recusal_not_dismissed", "5.4.2")


def check_dismissal(reasons: str) -> None:
    """Refuse to dismiss an objection as inadmissible without reasons.

    Clause 5.4.2.
    """
    if not reasons.strip():
        raise Refusal("dismissal_without_reasons", "5.4.2")


def check_ruling(*, removes_name: bool, names_somebody: bool) -> None:
    """Refuse to remove a name by the ruling on an objection that is about nobody; to keep them all is always open.

    Clause 5.4.2.
    """
    if removes_name and not names_somebody:
        raise Refusal("objection_names_nobody", "5.4.2")


def check_approval(ends: Sequence[datetime], open_objections: int, now: datetime) -> None:
    """Refuse approval before the last name's notice is over and every admissible objection is ruled on.

    `ends` are those of the names that haven't fallen; `earliest` is known only where nothing but time is missing.

    Clauses 5.4.2, 5.4.3.
    """
    if open_objections:
        raise Refusal("objection_open", "5.4.2", count=open_objections)
    if ends and now < max(ends):
        raise Refusal("notice_running", "5.4.3", earliest=max(ends), end=max(ends).isoformat())


def check_government_document(number: str, dated: date, ends: Sequence[datetime], now: datetime) -> None:
    """Refuse a decision of the government without a document number, dated in the future, or dated before the notices were over.

    Clause 5.4.3.
    """
    if not number.strip():
        raise Refusal("document_number_missing", "5.4.3")
    if dated > day(now):
        raise Refusal("document_dated_ahead", "5.4.3", dated=dated.isoformat(), earliest=midnight(dated))
    if ends and dated < day(max(ends)):
        raise Refusal("document_before_notice_end", "5.4.3", dated=dated.isoformat(), end=day(max(ends)).isoformat())


def check_publication(published_on: date, approved_on: date) -> None:
    """Refuse results published before the day of the government's approval.

    Clause 5.4.3.
    """
    if published_on < approved_on:
        raise Refusal("published_before_approval", "5.4.3", approved_on=approved_on.isoformat())
