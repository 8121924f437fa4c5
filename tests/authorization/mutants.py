"""`make authorization`: the matrices, then each policy and each ownership check taken out in turn; every mutant is to be caught.

A mutant is made while its module is imported, in a process of its own, over a copy of one world; nothing is written to disk.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from embedded import postgres

ROOT = Path(__file__).parents[2]
MUTATED = ("services/**/*.py", "gateway/*.py")
ANYONE = "__import__('kernel.identity').identity.Anyone"
TRUE = "__import__('sqlalchemy').true()"
CHECKS = frozenset(
    {
        "check_insight", "check_watching", "check_secrecy", "check_secrets", "check_undertaken", "check_sworn", "check_manageable",
        "check_other", "check_may_manage", "check_panel_access", "check_scan", "check_verifiable",
    }
)  # fmt: skip
"""What is called for its refusal alone: such a call is taken out."""
PREDICATES: Mapping[str, str] = {
    "not_recused": TRUE, "may_see": TRUE, "seated": TRUE, "undertaken": TRUE, "admitted": TRUE,
    "has_insight": "True", "is_supervisor": "True", "serves": "True", "has_undertaken": "True", "_assigned": "True", "has_duty": "True",
    "hidden_from": "frozenset()", "hidden_from_caller": "frozenset()",
}  # fmt: skip
"""What is called to narrow what is seen: such a call gives what narrows nothing."""
REFUSALS = frozenset({"CHAIR_ALONE", "OFFICE_ALONE", "OWN_ACCOUNT", "FORBIDDEN"})
POLICY_MAKERS = re.compile(r"Annotated\[Principal(?: \| None)?, (?:roles|Depends\(Policy)\(")
SECONDS = 600


@dataclass(frozen=True)
class Mutant:
    """One check that is taken out: where, which, and how."""

    path: str
    line: int
    column: int
    what: str
    kind: str
    operation: str | None = None

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @property
    def service(self) -> str:
        return self.path.split("/")[1 if self.path.startswith("services/") else 0]


def name_of(call: ast.expr) -> str:
    """Give the last name of what is called."""
    return call.attr if isinstance(call, ast.Attribute) else call.id if isinstance(call, ast.Name) else ""


def is_refusal(node: ast.stmt) -> bool:
    """Tell whether a statement answers that a thing is absent, or that somebody else may do this."""
    if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
        return False
    told = node.exc
    return name_of(told.func) == "absent" or (bool(told.args) and name_of(told.args[0]) in REFUSALS)


def policies_in(tree: ast.Module) -> frozenset[str]:
    """Name the policies that a module declares or takes from the kernel."""
    own = {
        name_of(target)
        for node in tree.body
        if isinstance(node, ast.Assign) and POLICY_MAKERS.match(ast.unparse(node.value))
        for target in node.targets
    }
    return frozenset(own | {"Applicant", "Endorser", "Reviewer", "Office", "Voter", "Chair", "Supervisor", "SignedIn", "Peer", "Platform"})


def operation_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """Give the operation that a function serves, in the shape of operations.toml."""
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.args:
            path = decorator.args[0]
            if isinstance(path, ast.Constant) and isinstance(path.value, str) and path.value.startswith("/"):
                return f"{decorator.func.attr.upper()} {re.sub(r'{[^}]*}', '{}', path.value)}"
    return None


def mutants_in(path: str, source: str) -> Iterator[Mutant]:
    """Find every check of a module."""
    tree = ast.parse(source)
    policies = policies_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (operation := operation_of(node)):
            for parameter in (*node.args.args, *node.args.kwonlyargs):
                if parameter.annotation is not None and name_of(parameter.annotation) in policies:
                    yield Mutant(path, parameter.lineno, parameter.col_offset, ast.unparse(parameter), "policy", operation)
        elif isinstance(node, ast.If) and len(node.body) == 1 and is_refusal(node.body[0]):
            yield Mutant(path, node.lineno, node.col_offset, f"if {ast.unparse(node.test)}", "guard")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and name_of(node.value.func) in CHECKS:
            yield Mutant(path, node.lineno, node.col_offset, ast.unparse(node), "check")
        elif isinstance(node, ast.Call) and name_of(node.func) in PREDICATES:
            yield Mutant(path, node.lineno, node.col_offset, ast.unparse(node), "predicate")


class Removal(ast.NodeTransformer):
    """Takes one check out of a module's tree."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.done = 0

    def visit(self, node: ast.AST) -> ast.AST:
        here = (getattr(node, "lineno", 0), getattr(node, "col_offset", -1)) == (self.mutant.line, self.mutant.column)
        self.generic_visit(node)
        changed = self.changed(node) if here else None
        if changed is None:
            return node
        self.done += 1
        return ast.copy_location(changed, node)

    def changed(self, node: ast.AST) -> ast.AST | None:
        kind = self.mutant.kind
        if kind == "policy" and isinstance(node, ast.arg):
            return ast.arg(node.arg, ast.parse(ANYONE, mode="eval").body)
        if kind == "guard" and isinstance(node, ast.If):
            return ast.If(ast.Constant(value=False), node.body, node.orelse)
        if kind == "check" and isinstance(node, ast.Expr):
            return ast.Pass()
        if kind == "predicate" and isinstance(node, ast.Call) and ast.unparse(node) == self.mutant.what:
            return ast.parse(PREDICATES[name_of(node.func)], mode="eval").body
        return None


class MutatingLoader(importlib.machinery.SourceFileLoader):
    """Compiles the one module without its check."""

    mutant: Mutant

    def source_to_code(self, data: object, path: object, *, _optimize: int = -1) -> object:  # type: ignore[override]  # typeshed's is narrower
        """Compile the tree from which the check was taken."""
        assert isinstance(data, bytes)
        removal = Removal(self.mutant)
        tree = ast.fix_missing_locations(removal.visit(ast.parse(data)))
        assert removal.done == 1, f"{self.mutant} was found {removal.done} times"
        assert isinstance(tree, ast.Module)
        return compile(tree, str(path), "exec", dont_inherit=True)

    def get_code(self, fullname: str) -> object:  # type: ignore[override]  # as above
        """Compile anew: a cached module still has its check."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class MutatingFinder(importlib.abc.MetaPathFinder):
    """Hands the one module to the loader that mutates it."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, fullname: str, path: Sequence[str] | None, _target: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        loader = MutatingLoader(fullname, spec.origin)
        loader.mutant = self.mutant
        spec.loader = loader
        return spec


def stages(mutant: Mutant) -> list[list[str]]:
    """Name what is to catch a mutant, the quickest first."""
    here = "tests/authorization"
    if mutant.kind == "policy":
        return [[f"{here}/test_operations.py", "-k", "each_caller_opens"]]
    own = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / mutant.service).glob("test_*.py"))
    walks = [f"{here}/test_relations.py"] if mutant.service != "gateway" else []
    return [walks, [f"{here}/test_operations.py", "-k", "each_caller_opens"], [*own, f"{here}/test_recusal.py"]]


def run_one() -> int:
    """In a process of its own: mutate, then test; 0 where a test caught it, 1 where none did."""
    mutant = Mutant(**json.loads(os.environ["MUTANT"]))
    sys.meta_path.insert(0, MutatingFinder(mutant))
    if mutant.operation:
        os.environ["OPERATION"] = mutant.operation.replace("/api/v1", "")
    for tests in stages(mutant):
        if (
            tests
            and pytest.main(["-q", "-x", "--no-header", "--tb=line", "-p", "no:cacheprovider", *tests]) == pytest.ExitCode.TESTS_FAILED
        ):
            return 0
    return 1


def caught(mutant: Mutant, environment: Mapping[str, str]) -> bool:
    """Run a mutant; a process that doesn't even start, or hangs, is caught as well."""
    command = [sys.executable, "-m", "tests.authorization.mutants", "--one"]
    given = dict(environment) | {"MUTANT": json.dumps(asdict(mutant))}
    try:
        done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - our own words
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 1


def all_mutants() -> list[Mutant]:
    """Find them all, in order."""
    paths = sorted(path for pattern in MUTATED for path in ROOT.glob(pattern) if not path.name.startswith("__"))
    return [one for path in paths for one in mutants_in(str(path.relative_to(ROOT)), path.read_text())]


def cells_of(output: str) -> int:
    """Add up what the walks say they walked."""
    return sum(int(found) for found in re.findall(r"(?:authorization|relations): (\d+) cells", output))


def walked(environment: Mapping[str, str]) -> tuple[int, int]:
    """Walk the matrices on the product as it is; gives the cells, and how many of the tests failed."""
    walks = ["tests/authorization/test_operations.py", "tests/authorization/test_relations.py", "tests/authorization/test_policies.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-m", "full or not full", "--timeout", "600", *walks]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    failed = re.search(r"(\d+) failed", done.stdout)
    if done.returncode:
        sys.stderr.write(done.stdout[-6000:])
    return cells_of(done.stdout), int(failed[1]) if failed else int(done.returncode != 0)


def authorize(sample: int | None, at_once: int, only: str | None) -> int:
    """Walk, then mutate; prints the figures as one JSON line, and gives 1 where something leaked or survived."""
    from embedded.product import kept_secrets, migrated  # noqa: PLC0415 - a mutant's process must not have the product imported yet
    from tests.authorization.world import stand  # noqa: PLC0415 - same

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place, postgres.running(Path(place) / "postgresql") as server:
        kept = kept_secrets(Path(place))
        migrated(server, "template_award", kept)
        database, world = stand(server, "template_award", kept, Path(place) / "product")
        told = Path(place) / "world.json"
        told.write_text(json.dumps({"database": database, "world": world, "folder": str(Path(place) / "product")}))
        environment = os.environ | {"AWARD_SERVER": str(Path(place) / "postgresql"), "WORLD": str(told)}
        cells, leaks = walked(environment)
        found = [one for one in all_mutants() if only is None or only in one.path]
        if sample is not None and sample < len(found):
            found = random.Random(time.time_ns()).sample(found, sample)  # noqa: S311 - another part each time
        with ThreadPoolExecutor(at_once) as pool:
            outcome = list(pool.map(lambda one: (one, caught(one, environment)), found))
    survived = [one for one, was_caught in outcome if not was_caught]
    sys.stderr.writelines(f"survived: {one.path}:{one.line} {one.kind}: {one.what}\n" for one in survived)
    figures = {"cells": cells, "leaks": leaks, "mutants": len(found), "of": len(all_mutants()), "survived": len(survived)}
    sys.stdout.write(json.dumps({"authorization": figures | {"seconds": round(time.monotonic() - started)}}) + "\n")
    return int(bool(leaks or survived or not cells))


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="list the mutants and do nothing")
    parser.add_argument("--sample", type=int, help="only so many mutants, drawn anew each time")
    parser.add_argument("--only", help="only mutants of paths with this word")
    parser.add_argument("--at-once", type=int, default=2)
    given = parser.parse_args()
    if given.one:
        return run_one()
    if given.list:
        sys.stdout.writelines(f"{one.path}:{one.line} {one.kind}: {one.what}\n" for one in all_mutants())
        return 0
    return authorize(given.sample, given.at_once, given.only)


if __name__ == "__main__":
    sys.exit(main())
