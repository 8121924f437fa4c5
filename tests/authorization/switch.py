"""What instrumented modules ask while they run: which check is out (none, unless `active` says so), and which checks spoke."""

from dataclasses import dataclass
from typing import Annotated, Any, get_args

from sqlalchemy import true

active: int | None = None
spoke: set[int] = set()
"""The checks whose word made a difference since this was last cleared: without them nothing would have been answered otherwise."""


def guard(number: int, said: object) -> bool:
    """Give a guard's condition; False while the guard is out."""
    if said:
        spoke.add(number)
    return bool(said) and number != active


def holds(number: int) -> bool:
    """Tell whether a check that refuses by itself is to be called; what it refuses, `refused` is told."""
    return number != active


def refused(number: int) -> None:
    """Note that a check refused."""
    spoke.add(number)


def truth(number: int, said: object) -> object:
    """Give a predicate's word; True while it is out."""
    if not said:
        spoke.add(number)
    return True if number == active else said


def nothing(number: int, hidden: object) -> object:
    """Give what a predicate hides; nothing while it is out."""
    if hidden:
        spoke.add(number)
    return frozenset() if number == active else hidden


def row(number: int, condition: object) -> object:
    """Give a query's condition; one that every row meets while it is out."""
    if condition is not True:
        spoke.add(number)
    return condition if number != active else True if isinstance(condition, bool) else true()


def policy(number: int, declared: Any) -> Any:  # noqa: ANN401 - an annotation
    """Give a route's policy; one that lets in anyone while it is out."""
    from fastapi import Depends, Request  # noqa: PLC0415 - the kernel is imported after this module, with its own checks numbered

    from kernel.identity import Policy, Principal  # noqa: PLC0415 - same
    from kernel.problems import Problem  # noqa: PLC0415 - same

    @dataclass(frozen=True)
    class Switched(Policy):
        switch: int = number

        async def __call__(self, request: Request) -> Principal | None:
            if active == number:
                return await Policy(anonymous=True)(request)
            try:
                return await super().__call__(request)
            except Problem:
                spoke.add(number)
                raise

    kind, depends = get_args(declared)
    own: Policy = depends.dependency
    return Annotated[kind, Depends(Switched(own.roles, own.duties, own.scope, own.anonymous))]
