"""Who goes on to site review (5.3.2), and who is a candidate for which award (5.4.1): computed, then confirmed by the office."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from regulation.edition import Award, Parameters
from regulation.refusal import Refusal
from regulation.score import Score, check_minimum


@dataclass(frozen=True)
class Standing:
    """An application after material review; `preferred` where any flag of 3.2.5 is proven, `qualified` where the screening passed."""

    application: str
    score: Score
    preferred: bool
    qualified: bool = True


@dataclass(frozen=True)
class Shortlist:
    """Who goes on, and what broke a tie across the last place: nothing, 3.2.5, or the committee's motion, which parted the `tied`."""

    applications: tuple[str, ...]
    tie_broken_by: Literal["3.2.5", "motion"] | None
    tied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seeker:
    """An application with its total: the awards it seeks, whether it opted to fall back to a lower one, and the ballots it lost."""

    application: str
    organisation: str
    score: Score
    awards: frozenset[str]
    falls_back: bool
    lost: frozenset[str] = frozenset()


def shortlist(standings: Sequence[Standing], p: Parameters, decided: frozenset[str] | None = None) -> Shortlist:
    """Work out who goes to site review: the best of the qualified up to the cap, never one more.

    An exact tie across the last place goes to those that 3.2.5 prefers; what still ties is refused with the tied named, until
    `decided` says which of them the committee's motion chose.

    Clauses 3.2.5, 5.3.2.
    """
    qualified = sorted((one for one in standings if one.qualified), key=lambda one: one.score, reverse=True)
    if len(qualified) <= p.site_review_cap:
        return Shortlist(tuple(one.application for one in qualified), None)
    last = qualified[p.site_review_cap - 1].score
    ahead = [one.application for one in qualified if one.score > last]
    tied = [one for one in qualified if one.score == last]
    places = p.site_review_cap - len(ahead)
    if len(tied) == places:
        return Shortlist((*ahead, *(one.application for one in tied)), None)
    preferred = [one.application for one in tied if one.preferred]
    others = [one.application for one in tied if not one.preferred]
    if len(preferred) == places:
        return Shortlist((*ahead, *preferred), "3.2.5")
    if len(preferred) < places:
        ahead, places, open_ = [*ahead, *preferred], places - len(preferred), others
    else:
        open_ = preferred
    if decided is None:
        raise Refusal("shortlist_tie", "5.3.2", tied=", ".join(open_), places=places)
    if not decided <= set(open_) or len(decided) != places:
        raise Refusal("shortlist_decision", "5.3.2", tied=", ".join(open_), places=places)
    return Shortlist((*ahead, *(application for application in open_ if application in decided)), "motion", tuple(open_))


def check_shortlist(
    proposed: Collection[str],
    standings: Sequence[Standing],
    reasons: Mapping[str, str],
    p: Parameters,
    decided: frozenset[str] | None = None,
) -> None:
    """Refuse a proposal beyond the cap, with the unqualified, or that departs from the computed list without a reason for each name.

    Clause 5.3.2.
    """
    if len(proposed) > p.site_review_cap:
        raise Refusal("shortlist_cap", "5.3.2", proposed=len(proposed), cap=p.site_review_cap)
    qualified = {one.application for one in standings if one.qualified}
    if outside := sorted(set(proposed) - qualified):
        raise Refusal("shortlist_unqualified", "5.3.2", applications=", ".join(outside))
    departures = set(proposed) ^ set(shortlist(standings, p, decided).applications)
    _check_departures(departures, reasons, "5.3.2")


def check_list_stands(
    standings: Sequence[Standing], revised: Sequence[Standing], p: Parameters, decided: frozenset[str] | None = None
) -> None:
    """Refuse to build on a list for site review that would be another one by the scores as a recusal has revised them since.

    The committee then takes the step back (2.1.2), and the office settles the list anew.

    Clause 5.3.2.
    """
    if _chosen(standings, p, decided) != _chosen(revised, p, decided):
        raise Refusal("shortlist_overtaken", "5.3.2")


def _chosen(standings: Sequence[Standing], p: Parameters, decided: frozenset[str] | None) -> frozenset[str] | None:
    """Give who goes on; None where the committee would first have to part a tie."""
    try:
        return frozenset(shortlist(standings, p, decided).applications)
    except Refusal:
        return None


def candidates(seekers: Sequence[Seeker], p: Parameters, *, fallback_between_awards: bool) -> Mapping[str, frozenset[str]]:
    """Work out each award's candidates: the highest award sought, reached and not lost; a lower one only for who opted to fall back.

    Clauses 4.2, 5.4.1.
    """
    _check_one_each([seeker.organisation for seeker in seekers])
    found: dict[str, set[str]] = {award.key: set() for award in p.awards}
    for seeker in seekers:
        open_ = _open_awards(seeker, p, fallback_between_awards=fallback_between_awards)
        if award := next((award.key for award in open_ if seeker.score.passes(award.minimum_points)), None):
            found[award].add(seeker.application)
    return {award: frozenset(applications) for award, applications in found.items()}


def check_candidates(
    proposed: Mapping[str, frozenset[str]],
    seekers: Sequence[Seeker],
    reasons: Mapping[str, str],
    p: Parameters,
    *,
    fallback_between_awards: bool,
) -> None:
    """Refuse candidates to whom the award is not open, below its minimum, for two awards, or departing from the computed without a reason.

    Clauses 4.2, 5.4.1.
    """
    computed = candidates(seekers, p, fallback_between_awards=fallback_between_awards)
    by_application = {seeker.application: seeker for seeker in seekers}
    for award, applications in proposed.items():
        for application in sorted(applications):
            seeker = by_application.get(application)
            if seeker is None or p.award(award) not in _open_awards(seeker, p, fallback_between_awards=fallback_between_awards):
                raise Refusal("candidate_not_open", "5.4.1", application=application, award=award)
            check_minimum(seeker.score, award, p)
    _check_one_each([application for applications in proposed.values() for application in applications])
    departures = {name for award in computed for name in computed[award] ^ proposed.get(award, frozenset())}
    _check_departures(departures, reasons, "5.4.1")


def _open_awards(seeker: Seeker, p: Parameters, *, fallback_between_awards: bool) -> list[Award]:
    """List the awards an application may stand for, the highest first: those it seeks and has not lost, lower ones by fall-back alone."""
    sought = [award for award in p.awards if award.key in seeker.awards]
    reach = sought if seeker.falls_back and fallback_between_awards else sought[:1]
    return [award for award in reach if award.key not in seeker.lost]


def _check_one_each(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Refusal("one_award_each", "5.4.1", names=", ".join(twice))


def _check_departures(departures: Collection[str], reasons: Mapping[str, str], clause: str) -> None:
    if missing := sorted(name for name in departures if not reasons.get(name, "").strip()):
        raise Refusal("departure_unexplained", clause, applications=", ".join(missing))
