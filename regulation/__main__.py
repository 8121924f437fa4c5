"""Print how every clause of an edition is held; the exit status is 1 where one is not: `python -m regulation [edition]`."""

import sys

from regulation import edition


def table(clauses: edition.Edition) -> tuple[list[str], list[str]]:
    """Give the table's lines, and the ids of the clauses that nothing holds."""
    lines, unheld = [f"{clauses.title} · {clauses.name}", ""], []
    for clause in clauses.clauses.values():
        if not (clause.why if clause.held == ("outside",) else clause.by or clause.pending):
            unheld.append(clause.id)
        notes = [
            *clause.by,
            *([f"because: {clause.why}"] if clause.why else []),
            *([f"missing: {clause.pending}"] if clause.pending else []),
        ]
        first, *rest = notes or ["UNHELD"]
        lines.append(f"{clause.id:<8}{' + '.join(clause.held):<18}{first}")
        lines.extend(" " * 26 + note for note in rest)
    pending = sum(bool(clause.pending) for clause in clauses.clauses.values())
    return [*lines, "", f"{len(clauses.clauses)} clauses, {len(unheld)} unheld, {pending} with something missing"], unheld


def main(names: list[str]) -> int:
    """Print the tables of the editions named, or of all that ship."""
    status = 0
    for name in names or edition.names():
        lines, unheld = table(edition.load(name))
        sys.stdout.write("\n".join(lines) + "\n")
        status |= bool(unheld)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
