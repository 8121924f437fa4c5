"""What a winner is paid, in whole yuan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from regulation.edition import Parameters
from regulation.refusal import Refusal


@dataclass(frozen=True)
class EarlierAward:
    """An award an organisation won in an earlier cycle."""

    award: str
    year: int
    revoked: bool


def prize_amount(award: str, earlier: Sequence[EarlierAward], p: Parameters) -> int:
    """Compute the prize in yuan for an award, by the organisation's earlier awards; a revoked one no longer counts.

    The text reduces the prize wherever the award named was won before, whatever was won in between; of several reductions the largest
    counts.

    Clause 6.1.
    """
    terms = p.award(award)
    standing = {before.award for before in earlier if not before.revoked}
    return min([terms.prize, *(amount for before, amount in terms.prize_after.items() if before in standing)])


def check_payable(*, published: bool, paid: int, prize: int, amount: int = 1) -> None:
    """Refuse money for an award that is not published or was revoked, and more than its prize in all (yuan); exactly the prize passes.

    Clause 6.1.
    """
    if not published:
        raise Refusal("award_not_payable", "6.1")
    if paid + amount > prize:
        raise Refusal("prize_exceeded", "6.1", total=paid + amount, prize=prize)


def check_payment_day(paid_on: date, approved_on: date, today: date) -> None:
    """Refuse a payment dated before the government's approval, or ahead; both days themselves pass.

    Clause 6.1.
    """
    if not approved_on <= paid_on <= today:
        raise Refusal("payment_date", "6.1", approved_on=approved_on.isoformat(), today=today.isoformat())


def check_reward(*, paid: int, reward: int, amount: int = 1) -> None:
    """Refuse more than the reward of a higher government's award in all (yuan); exactly the reward passes.

    Clause 6.2.
    """
    if paid + amount > reward:
        raise Refusal("reward_exceeded", "6.2", total=paid + amount, reward=reward)


def external_honour_amount(honour: str, decided: int | None, p: Parameters) -> int:
    """Compute the district's reward in yuan for a higher government's award; where the fiscal system sets it, give the amount decided.

    Clause 6.2.
    """
    for terms in p.external_honours:
        if terms.key == honour:
            break
    else:
        raise Refusal("unknown_external_honour", "6.2", honour=honour)
    if not terms.amount_recorded:
        if decided not in {None, terms.amount}:
            raise Refusal("external_amount_fixed", "6.2", amount=terms.amount)
        return terms.amount
    if decided is None or decided < 0:
        raise Refusal("external_amount_missing", "6.2")
    return decided
