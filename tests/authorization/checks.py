"""Every check of the product that decides who may: found in its modules, numbered, and each made to ask a switch whether it is out."""

import ast
import builtins
import importlib.abc
import importlib.machinery
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KERNEL = ("identity", "service", "requests", "checkpoint", "witness", "health")
LOOKED_AT = ("services/**/*.py", "gateway/*.py", *(f"kernel/{name}.py" for name in KERNEL))
CHECKS = frozenset(
    {
        "check_insight", "check_watching", "check_secrecy", "check_secrets", "check_undertaken", "check_sworn", "check_manageable",
        "check_other", "check_may_manage", "check_panel_access", "check_scan", "check_verifiable", "_check_caller", "revisit",
    }
)  # fmt: skip
"""What is called for its refusal alone: such a call is taken out."""
PREDICATES: Mapping[str, str] = {
    **dict.fromkeys(("not_recused", "may_see", "seated", "undertaken", "sworn", "admitted", "visible_to"), "row"),
    **dict.fromkeys(("has_insight", "is_supervisor", "serves", "has_undertaken", "_assigned", "has_duty", "admits"), "truth"),
    **dict.fromkeys(("hidden_from", "hidden_from_caller", "withheld"), "nothing"),
}
"""What is called to narrow what is seen: such a call gives what narrows nothing (`switch` says how)."""
REFUSALS = frozenset({"CHAIR_ALONE", "OFFICE_ALONE", "OWN_ACCOUNT", "FORBIDDEN", "UNAUTHENTICATED"})
CLAIMS = frozenset({"admits", "has_duty"})
ASKERS = frozenset({"principal", "person", "transaction", "actor", "caller", *PREDICATES})
"""What brings the caller, or what depends on them, into a lookup; a session alone doesn't."""
QUERIES = frozenset({"where", "and_", "or_", "has", "any", "filter"})
OWN = frozenset({"person", "org", "body"})
"""What of a caller a row is compared with."""
POLICY_MAKERS = re.compile(r"Annotated\[Principal(?: \| None)?, (?:roles|Depends\(Policy)\(")
SWITCH = "__switch__"


@dataclass(frozen=True)
class Check:
    """One check: where, which, and of what kind."""

    path: str
    line: int
    what: str
    kind: str

    def __str__(self) -> str:
        """Say where it is, and what."""
        return f"{self.path}:{self.line} {self.kind}: {self.what}"


def name_of(called: ast.expr) -> str:
    """Give the last name of what is called."""
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def is_refusal(node: ast.stmt) -> bool:
    """Tell whether a statement answers that a thing is absent, that somebody else may do this, or that nobody knows who asks."""
    if isinstance(node, ast.Return):
        return isinstance(node.value, ast.Call) and name_of(node.value.func) == "Refused"
    if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
        return False
    told = node.exc
    return name_of(told.func) in {"absent", "refusal"} or (bool(told.args) and name_of(told.args[0]) in REFUSALS)


def is_of_caller(node: ast.expr) -> bool:
    """Tell whether an expression is what a caller is, or is for: `person`, `reader.person`, `applicant.org`."""
    if isinstance(node, ast.Name):
        return node.id == "person"
    return isinstance(node, ast.Attribute) and node.attr in OWN and isinstance(node.value, ast.Name) and node.value.id.islower()


def words(node: ast.AST) -> set[str]:
    """Name all that an expression names; a session knows no caller, whoever's it is."""
    if isinstance(node, ast.Attribute) and node.attr == "session":
        return set()
    return {name_of(node) if isinstance(node, ast.expr) else ""}.union(*(words(one) for one in ast.iter_child_nodes(node)))


def is_looked_up(name: str, function: ast.AST, callers: Collection[str]) -> bool:
    """Tell whether a function finds what it calls so without asking who calls it."""
    given = [
        ({part.id for part in ast.walk(one.targets[0]) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}, words(one.value))
        for one in ast.walk(function)
        if isinstance(one, ast.Assign)
    ]
    named, known = {name}, set[str]()
    while named > known:
        known = set(named)
        named |= {word for targets, values in given if targets & known for word in values}
    return len(named) > 1 and named.isdisjoint(ASKERS) and named.isdisjoint(callers)


def is_absence(node: ast.If, function: ast.AST, callers: Collection[str]) -> bool:
    """Tell whether a guard says only that there is no such thing, or that its time has not come, whoever asks."""
    last = node.body[-1]
    if not isinstance(last, ast.Raise) or last.exc is None or ast.unparse(last.exc) != "absent()":
        return False
    for part in node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]:
        match part:
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Is()]) if is_looked_up(name, function, callers):
                continue
            case ast.Compare(left=ast.Attribute(value=ast.Name(id=owner)), ops=[ast.Is()]) if owner not in {*ASKERS, *callers}:
                continue
            case ast.Compare(left=ast.Attribute(attr="state"), ops=[ast.Eq()], comparators=[ast.Constant()]):
                continue
        return False
    return True


def serves(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function serves an operation."""
    return any(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.args and ast.unparse(one.args[0]).startswith("'/")
        for one in function.decorator_list
    )


def policies() -> frozenset[str]:
    """Name every policy that the product declares, but the one that lets in anyone."""
    trees = (ast.parse(path.read_text()) for path in paths())
    declared = (
        node for tree in trees for node in tree.body if isinstance(node, ast.Assign) and POLICY_MAKERS.match(ast.unparse(node.value))
    )
    return frozenset(name_of(target) for node in declared for target in node.targets) - {"Anyone"}


def paths() -> list[Path]:
    """Give the modules that are looked at, in order."""
    return sorted({path for pattern in LOOKED_AT for path in ROOT.glob(pattern) if not path.name.startswith("__")})


class Instrument(ast.NodeTransformer):
    """Numbers the checks of one module, and has each ask the switch."""

    def __init__(self, path: str, known: Collection[str], first: int) -> None:
        self.path, self.known, self.first = path, known, first
        self.found: list[Check] = []
        self.queries = 0
        """How many calls around this place build a query."""
        self.within: ast.AST = ast.Module([], [])
        """The function around this place, and the names under which it is given the caller."""
        self.callers: frozenset[str] = frozenset()

    def number(self, node: ast.expr | ast.stmt | ast.arg, what: str, kind: str) -> int:
        """Keep a check; gives its number."""
        self.found.append(Check(self.path, node.lineno, what, kind))
        return self.first + len(self.found) - 1

    def asked(self, node: ast.expr, number: int, how: str) -> ast.Call:
        """Give the expression as the switch lets it through."""
        asked = ast.Attribute(ast.Name(SWITCH, ast.Load()), how, ast.Load())
        return ast.copy_location(ast.Call(asked, [ast.Constant(number), node], []), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Look into a function."""
        return self.function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Look into a function."""
        return self.function(node)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        """Number the policy of an operation, and what a policy itself asks of the claims."""
        if serves(node):
            for one in (*node.args.args, *node.args.kwonlyargs):
                if one.annotation is not None and name_of(one.annotation) in self.known:
                    one.annotation = self.asked(one.annotation, self.number(one, ast.unparse(one), "policy"), "policy")
        outer = (self.within, self.callers)
        kinds = {one.arg: ast.unparse(one.annotation) for one in (*node.args.args, *node.args.kwonlyargs) if one.annotation is not None}
        self.within = node
        self.callers |= {name for name, kind in kinds.items() if "Principal" in kind or kind in self.known}
        narrows = node.returns is not None and "ColumnElement" in ast.unparse(node.returns)
        self.queries += narrows
        self.generic_visit(node)
        self.queries -= narrows
        self.within, self.callers = outer
        if self.path == "kernel/identity.py" and node.name in CLAIMS:
            for part in node.body:
                if isinstance(part, ast.If) and isinstance(part.body[0], ast.Return) and ast.unparse(part.body[0]) == "return False":
                    part.test = self.asked(part.test, self.number(part, ast.unparse(part.test), "claim"), "guard")
                elif isinstance(part, ast.Return) and part.value is not None:
                    part.value = self.asked(part.value, self.number(part, ast.unparse(part.value), "claim"), "truth")
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        """Number a guard."""
        what, (queries, self.queries) = f"if {ast.unparse(node.test)}", (self.queries, 0)
        counts = is_refusal(node.body[-1]) and not is_absence(node, self.within, self.callers)
        node.test = self.visit(node.test)
        self.queries = queries
        if counts:
            node.test = self.asked(node.test, self.number(node, what, "guard"), "guard")
        node.body = [self.visit(one) for one in node.body]
        node.orelse = [self.visit(one) for one in node.orelse]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Number a call for its refusal alone."""
        called = node.value.value if isinstance(node.value, ast.Await) else node.value
        if not isinstance(called, ast.Call) or name_of(called.func) not in CHECKS:
            return self.generic_visit(node)
        number = self.number(node, ast.unparse(node), "check")
        self.generic_visit(node)
        asked = ast.parse(f"if {SWITCH}.holds({number}):\n try: ...\n except BaseException: {SWITCH}.refused({number}); raise").body[0]
        assert isinstance(asked, ast.If)
        assert isinstance(asked.body[0], ast.Try)
        asked.body[0].body = [node]
        return ast.copy_location(asked, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Number a predicate."""
        what, name = ast.unparse(node), name_of(node.func)
        queries = name in QUERIES and not (isinstance(node.func, ast.Name) and hasattr(builtins, name))
        self.queries += queries
        self.generic_visit(node)
        self.queries -= queries
        return self.asked(node, self.number(node, what, "predicate"), PREDICATES[name]) if name in PREDICATES else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Number what makes a row a caller's own."""
        what = ast.unparse(node)
        self.generic_visit(node)
        compares = self.queries and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)
        mine = compares and any(is_of_caller(side) for side in (node.left, node.comparators[0]))
        return self.asked(node, self.number(node, what, "row"), "row") if mine else node


def instrumented(path: str, source: str, known: Collection[str], first: int) -> tuple[ast.Module, list[Check]]:
    """Give a module's tree whose checks ask the switch, and the checks, numbered from `first`."""
    instrument = Instrument(path, known, first)
    tree = instrument.visit(ast.parse(source))
    assert isinstance(tree, ast.Module)
    tree.body.insert(1 if ast.get_docstring(tree) is not None else 0, ast.parse(f"import tests.authorization.switch as {SWITCH}").body[0])
    return ast.fix_missing_locations(tree), instrument.found


class Modules(importlib.abc.MetaPathFinder):
    """Has every module that is looked at compiled with its checks asking the switch; `checks` are all of them, by their numbers."""

    def __init__(self) -> None:
        """Find them all."""
        self.checks: list[Check] = []
        self.trees: dict[str, ast.Module] = {}
        known = policies()
        for path in paths():
            relative = str(path.relative_to(ROOT))
            tree, found = instrumented(relative, path.read_text(), known, len(self.checks))
            self.checks += found
            if found:
                self.trees[relative.removesuffix(".py").replace("/", ".")] = tree

    def find_spec(self, fullname: str, path: Sequence[str] | None, _target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Find a module whose tree is kept."""
        if fullname not in self.trees:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = Loader(fullname, spec.origin, self.trees[fullname])
        return spec


class Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module from its instrumented tree."""

    def __init__(self, fullname: str, path: str, tree: ast.Module) -> None:
        """Keep the tree."""
        super().__init__(fullname, path)
        self.tree = tree

    def get_code(self, fullname: str) -> object:  # type: ignore[override]  # typeshed's is narrower
        """Compile the tree; nothing is taken from a cache or written to one."""
        return compile(self.tree, self.get_filename(fullname), "exec", dont_inherit=True)
