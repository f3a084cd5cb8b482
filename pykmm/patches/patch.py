# SPDX-License-Identifier: GPL-2.0-only
"""A variant as a value: a name, where it comes from, and whole functions.

As with kernel livepatching, a replacement is normally a full copy of the
original with the change in it. Baseline code knows nothing of its patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from attrs import define, field

from ..engine.annotate import SYMBOLS, original
from ..errors import Report, UsageError

if TYPE_CHECKING:
    from ..engine.machine import Machine

__all__ = ["Patch", "apply"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


@define(eq=False)
class Patch:
    """One variant of the kernel.

    *kind* is ``bug``, ``design`` or ``kernel``; *origin* says where it comes
    from; *reports* is the kind of report that a bug's exploration must find.
    """

    name: str
    kind: str
    summary: str
    origin: str
    reports: tuple[type[Report], ...] = ()
    #: The scenario that shows what the patch does.
    scenario: str = ""
    functions: dict[object, Callable[..., object]] = field(factory=dict)

    def replaces(
        self, function: Callable[_P, _R]
    ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
        """Make the decorated function stand in for *function*."""
        target = original(function)
        symbol = SYMBOLS.get((target.__module__, target.__name__))
        if symbol is None or not symbol.patchable:
            raise UsageError(
                f"patch {self.name!r}: {function.__name__}() cannot be replaced; only "
                "functions that mirror one of Linux's and are not inlined can"
            )

        def decorate(replacement: Callable[_P, _R]) -> Callable[_P, _R]:
            self.functions[target] = replacement
            return replacement

        return decorate


def apply(machine: Machine, patches: Iterable[Patch]) -> None:
    """Give *machine* the functions of *patches*, which must not overlap."""
    for patch in patches:
        for target in patch.functions:
            if target in machine.patches:
                name = getattr(target, "__name__", "?")
                raise UsageError(
                    f"patch {patch.name!r} replaces {name}(), which another patch "
                    "replaces already: apply only one of them"
                )
        machine.patches.update(patch.functions)
        machine.applied += (patch,)
