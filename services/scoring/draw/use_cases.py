"""Drawing panels, explaining a draw, departing from it with a reason, and forming its panels."""

import importlib.util
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select

from kernel.identity import Principal
from kernel.problems import Kind, Problem, absent, language_of
from kernel.requests import Transaction, check_version, offer
from regulation.lifecycle import PANEL, step
from regulation.recusal import check_not_recused
from regulation.refusal import Refusal
from services.scoring.access import (
    check_secrecy,
    cycle_of,
    not_recused,
    parameters_of,
    phase_of,
    recusals_of,
    rubric_of,
    standing,
)
from services.scoring.draw.schemas import (
    DrawAnswer,
    DrawConstraints,
    DrawLink,
    DrawnMember,
    DrawnPanel,
    NewDraw,
    NewOverride,
    Override,
    Replay,
    Verdict,
    WhyNot,
)
from services.scoring.panel import MEMBER_ALREADY, NOT_A_MEMBER, NewPanel, appointed_members, form, take
from services.scoring.reviewer import check_categories
from services.scoring.tables import Cycle, Dossier, Draw, Reviewer

if TYPE_CHECKING:
    from services.scoring.draw import network

INFEASIBLE = Kind(
    409,
    "draw_infeasible",
    "无法抽取，受限于：{constraint}（{facts}）",
    "No draw is possible; what stands in the way: {constraint} ({facts})",
)
NOTHING_TO_DRAW = Kind(409, "nothing_to_draw", "没有待分派的合格申报", "No application of the eligible list waits for a panel")
SOLVER_MISSING = Kind(409, "solver_not_installed", "未安装求解器：{solver}", "This solver is not installed: {solver}")
DRAW_USED = Kind(409, "draw_used", "已按此抽取结果组建评审组", "Its panels were formed already")

SENTENCES: Mapping[Verdict, tuple[str, str]] = {
    "drawn": ("抽中", "Drawn"),
    "linked": ("为使各组相互关联而调整", "Changed so that the panels hang together"),
    "override": ("由评审办决定调整，理由已记录", "Changed by the office, with the reason on record"),
    "not_in_pool": ("抽取时不在备选名单中", "Not in the pool at the time of the draw"),
    "recused": ("与该申报组织有利益关系，须回避", "Recused from an organisation that the panel reviews"),
    "constraints": ("在此约束下没有任何抽取结果能包含此人", "No draw under these constraints seats them there"),
    "lot": ("合格，但抽签结果以他人为先", "Eligible, but the lot preferred others"),
}
SECTION = slice(0, 1)


def inputs_of(transaction: Transaction, cycle: Cycle, new: NewDraw, office: Principal) -> dict[str, Any]:
    """Take down everything that the draw rests on: the pool, the applications with their industry, who is recused, the constraints."""
    waiting = select(Dossier.application).where(Dossier.cycle == cycle.id, Dossier.panel.is_(None), standing(), not_recused(office.person))
    wanted = new.applications if new.applications is not None else list(transaction.session.scalars(waiting))
    dossiers = take(transaction, cycle, wanted, office.person)
    if not dossiers:
        raise Problem(NOTHING_TO_DRAW)
    roster = select(Reviewer).where(Reviewer.standing == "appointed").order_by(Reviewer.person)
    if new.pool is not None:
        appointed_members(transaction, new.pool)
        roster = roster.where(Reviewer.person.in_(new.pool))
    pool = list(transaction.session.scalars(roster))
    recused = recusals_of(transaction.session, [one.person for one in pool])
    codes = {dossier.credit_code: str(dossier.application) for dossier in dossiers}
    return {
        "pool": [
            {"person": one.person, "leads": one.leader_qualified, "expertise": one.expertise, "categories": one.categories} for one in pool
        ],
        "applications": [{"application": str(dossier.application), "section": dossier.industry[SECTION]} for dossier in dossiers],
        "recusals": sorted([one.person, codes[one.organisation]] for one in recused if one.organisation in codes),
        "constraints": new.constraints.model_dump(),
    }


def problem_of(seed: str, inputs: Mapping[str, Any]) -> "network.Problem":
    """Build the draw's problem from what was taken down; the same seed and inputs give the same problem."""
    from services.scoring.draw import network  # noqa: PLC0415 - SciPy loads at the first draw, not when the service starts

    limits = inputs["constraints"]
    section = {one["application"]: one["section"] for one in inputs["applications"]}
    groups = network.group(seed, sorted(section.items()), limits["applications_per_panel"], by_section=limits["expertise"])
    return network.Problem(
        seed=seed,
        pool=tuple(
            network.Candidate(one["person"], one["leads"], frozenset(one["expertise"]), frozenset(one.get("categories", ())))
            for one in inputs["pool"]
        ),
        units=tuple(
            network.Unit(
                applications=tuple(applications),
                sections=frozenset(section[application] for application in applications),
                recused=frozenset(person for person, application in inputs["recusals"] if application in applications),
            )
            for applications in groups
        ),
        constraints=network.Constraints(
            limits["size"],
            limits["floor"],
            limits["ceiling"],
            limits["expertise"],
            limits["linked"],
            tuple(limits.get("categories", ())),
        ),
    )


def solved(problem: "network.Problem", solver: str) -> "network.Drawn":
    """Draw, and link the panels where that is asked; refuse with the constraint that stands in the way."""
    from services.scoring.draw import linking, network  # noqa: PLC0415 - SciPy loads at the first draw, not when the service starts

    chosen: network.Solver = network.solve
    if solver == "ortools":
        if importlib.util.find_spec("ortools") is None:
            raise Problem(SOLVER_MISSING, solver=solver)
        from services.scoring.draw import flow  # noqa: PLC0415 - an optional extra

        chosen = flow.solve
    try:
        drawn = network.draw(problem, chosen)
        return linking.link(problem, drawn) if problem.constraints.linked else drawn
    except network.Infeasible as infeasible:
        facts = ", ".join(f"{name} {value}" for name, value in infeasible.facts.items())
        raise Problem(INFEASIBLE, constraint=infeasible.constraint, facts=facts) from None


def panels_of(problem: "network.Problem", drawn: "network.Drawn") -> list[dict[str, Any]]:
    """Give the outcome as it is kept."""
    return [
        {"applications": list(unit.applications), "members": [{"person": person, "slot": slot} for person, slot in seats.items()]}
        for unit, seats in zip(problem.units, drawn.seats, strict=True)
    ]


def draw(transaction: Transaction, new: NewDraw, office: Principal) -> Draw:
    """Draw the panels and keep the draw with all it was made from; no panel is formed yet."""
    cycle = cycle_of(transaction, new.cycle)
    check_secrecy(transaction, office.person, cycle)
    step(PANEL, "new", "form", phase_of(transaction, cycle))
    minimum = parameters_of(cycle).panel_minimum
    if new.constraints.size < minimum:
        raise Refusal("panel_too_small", "2.0", members=new.constraints.size, minimum=minimum)
    check_categories(new.constraints.categories, rubric_of(cycle))
    seed = new.seed or secrets.token_hex(16)
    inputs = inputs_of(transaction, cycle, new, office)
    problem = problem_of(seed, inputs)
    drawn = solved(problem, new.solver)
    made = Draw(
        cycle=cycle.id,
        seed=seed,
        solver=new.solver,
        inputs=inputs,
        panels=panels_of(problem, drawn),
        links=[{"panel": unit + 1, "outgoing": leaves, "incoming": comes} for unit, leaves, comes in drawn.links],
        objective=drawn.objective,
        overrides=[],
        state="drawn",
        at=transaction.now,
        by=office.person,
        version=1,
    )
    transaction.session.add(made)
    transaction.session.flush()
    facts = {"cycle": str(cycle.id), "seed": seed, "solver": new.solver, **inputs, "panels": made.panels, "objective": made.objective}
    transaction.record("panels.drawn", f"draw:{made.id}", clause="2.2.2", facts=facts)
    return made


def found(transaction: Transaction, key: UUID, *, lock: bool = False) -> Draw:
    """Load a draw."""
    made = transaction.session.get(Draw, key, with_for_update=lock, populate_existing=True)
    if made is None:
        raise absent()
    return made


def seen_by(transaction: Transaction, made: Draw, reader: Principal) -> frozenset[str]:
    """Name the draw's applications that this reader may know of."""
    named = [UUID(one["application"]) for one in made.inputs["applications"]]
    query = select(Dossier.application).where(Dossier.application.in_(named), not_recused(reader.person))
    return frozenset(str(application) for application in transaction.session.scalars(query))


def place_of(made: Draw, application: UUID, seen: Collection[str]) -> int:
    """Find the panel of an application; absent where the reader may not know of it."""
    for place, panel in enumerate(made.panels):
        if str(application) in panel["applications"] and str(application) in seen:
            return place
    raise absent()


def check_unused(made: Draw) -> None:
    """Refuse to change a draw whose panels were formed."""
    if made.state != "drawn":
        raise Problem(DRAW_USED)


def override(transaction: Transaction, key: UUID, given: NewOverride, version: int, office: Principal) -> Draw:
    """Put another in a drawn member's place, with the reason; recusal, standing and the leader's qualification hold all the same."""
    made = found(transaction, key, lock=True)
    check_secrecy(transaction, office.person, cycle_of(transaction, made.cycle))
    check_version(version, made.version)
    check_unused(made)
    place = place_of(made, given.application, seen_by(transaction, made, office))
    panel = made.panels[place]
    slots = {member["person"]: member["slot"] for member in panel["members"]}
    if given.outgoing not in slots:
        raise Problem(NOT_A_MEMBER, person=given.outgoing)
    if given.incoming in slots:
        raise Problem(MEMBER_ALREADY, person=given.incoming)
    leads = appointed_members(transaction, [given.incoming])[given.incoming]
    if slots[given.outgoing] == "leader" and not leads:
        raise Refusal("panel_leader_unqualified", "2.0")
    recused = recusals_of(transaction.session, [given.incoming])
    reviewed = [UUID(application) for application in panel["applications"]]
    for code in transaction.session.scalars(select(Dossier.credit_code).where(Dossier.application.in_(reviewed))):
        check_not_recused(given.incoming, code, recused)
    change = {"panel": place + 1, "outgoing": given.outgoing, "incoming": given.incoming, "reason": given.reason}
    members = [{**one, "person": given.incoming} if one["person"] == given.outgoing else one for one in panel["members"]]
    made.panels = [{**one, "members": members} if index == place else one for index, one in enumerate(made.panels)]
    made.overrides = [*made.overrides, {**change, "at": transaction.now.isoformat(), "by": office.person}]
    made.version += 1
    transaction.record("draw.overridden", f"draw:{made.id}", clause="2.2.2", facts=change)
    return made


def form_panels(transaction: Transaction, key: UUID, version: int, office: Principal) -> Draw:
    """Form every panel of a draw, or none: what has come up since the draw, a recusal say, refuses the whole."""
    made = found(transaction, key, lock=True)
    check_version(version, made.version)
    check_unused(made)
    for number, panel in enumerate(made.panels, 1):
        members = [member["person"] for member in panel["members"]]
        leader = next(member["person"] for member in panel["members"] if member["slot"] == "leader")
        body = {
            "cycle": str(made.cycle),
            "name": f"第{number}评审组",
            "leader": leader,
            "members": members,
            "applications": panel["applications"],
        }
        form(transaction, NewPanel.model_validate(body), office, made.id)
    made.state = "formed"
    made.version += 1
    transaction.record("draw.used", f"draw:{made.id}", clause="2.2.2", facts={"panels": len(made.panels)})
    return made


def replay(transaction: Transaction, made: Draw, reader: Principal) -> Replay:
    """Make the draw again from what was taken down, and compare; links are part of it, overrides are not."""
    problem = problem_of(made.seed, made.inputs)
    drawn = solved(problem, made.solver)
    again, stands = panels_of(problem, drawn), [dict(panel, members=list(panel["members"])) for panel in made.panels]
    for change in reversed(made.overrides):
        members = stands[change["panel"] - 1]["members"]
        members[:] = [{**one, "person": change["outgoing"]} if one["person"] == change["incoming"] else one for one in members]
    seen = seen_by(transaction, made, reader)
    return Replay(
        same=again == stands and drawn.objective == made.objective, objective=drawn.objective, panels=shown(transaction, again, seen)
    )


def why_not(transaction: Transaction, made: Draw, person: str, application: UUID, reader: Principal) -> WhyNot:
    """Say why a reviewer was or wasn't drawn for an application's panel, working out what a draw with them would have cost."""
    from services.scoring.draw import network  # noqa: PLC0415 - SciPy loads at the first draw, not when the service starts

    place = place_of(made, application, seen_by(transaction, made, reader))
    problem = problem_of(made.seed, made.inputs)
    unit = problem.units[place]
    seated = any(member["person"] == person for member in made.panels[place]["members"])
    one = next((candidate for candidate in problem.pool if candidate.person == person), None)
    able = [slot for slot, seats in problem.constraints.seats().items() if one and seats and network.fits(one, unit, slot)]
    price = None

    def touched(changes: Sequence[Mapping[str, Any]]) -> bool:
        return any(change["panel"] == place + 1 and person in {change["incoming"], change["outgoing"]} for change in changes)

    verdict: Verdict
    if touched(made.overrides):
        verdict = "override"
    elif one is None:
        verdict = "not_in_pool"
    elif person in unit.recused:
        verdict = "recused"
    elif touched(made.links):
        verdict = "linked"
    elif seated:
        verdict = "drawn"
    else:
        price = network.cost_with(problem, place, person)
        verdict = "constraints" if price is None else "lot"
    zh, en = SENTENCES[verdict]
    return WhyNot(
        person=person,
        application=application,
        panel=place + 1,
        seated=seated,
        verdict=verdict,
        detail=en if language_of(transaction.request) == "en" else zh,
        clause="2.4.5" if verdict == "recused" else None,
        slots=able,
        objective=made.objective,
        objective_with=price,
    )


def shown(transaction: Transaction, panels: Sequence[Mapping[str, Any]], seen: Collection[str]) -> list[DrawnPanel]:
    """Show drawn panels; one whose every application is hidden from the reader is absent."""
    persons = {member["person"] for panel in panels for member in panel["members"]}
    names = {one.person: one.name for one in transaction.session.scalars(select(Reviewer).where(Reviewer.person.in_(persons)))}
    return [
        DrawnPanel(
            number=number,
            applications=[UUID(application) for application in panel["applications"] if application in seen],
            members=[DrawnMember(name=names[member["person"]], **member) for member in panel["members"]],
        )
        for number, panel in enumerate(panels, 1)
        if not seen.isdisjoint(panel["applications"])  # type: ignore[attr-defined]
    ]


def show(transaction: Transaction, made: Draw, reader: Principal) -> DrawAnswer:
    """Answer with a draw."""
    transaction.version = made.version
    seen = seen_by(transaction, made, reader)
    panels = shown(transaction, made.panels, seen)
    numbers = {panel.number for panel in panels}
    href = f"/api/v1/draws/{made.id}"
    actions = {}
    if reader.has_duty("office"):
        actions = {
            name: offer(transaction, "POST", f"{href}/{path}", lambda: check_unused(made))
            for name, path in (("override", "overrides"), ("form_panels", "panels"))
        }
    return DrawAnswer(
        id=made.id,
        cycle=made.cycle,
        seed=made.seed,
        solver=made.solver,
        constraints=DrawConstraints.model_validate(made.inputs["constraints"]),
        pool=[one["person"] for one in made.inputs["pool"]],
        panels=panels,
        objective=made.objective,
        links=[DrawLink(**change) for change in made.links if change["panel"] in numbers],
        overrides=[Override.model_validate(change) for change in made.overrides if change["panel"] in numbers],
        state=made.state,
        at=made.at,
        by=made.by,
        version=made.version,
        actions=actions,
    )
