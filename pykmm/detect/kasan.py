# SPDX-License-Identifier: GPL-2.0-only
"""Touching what was freed, after ``Documentation/dev-tools/kasan.rst``.

Most of it needs no detector. Every step on a part of a dead structure is a report
out of the engine itself, and so is freeing it twice; fields with a lock check it at
each access. All of that is built in, because it costs one comparison and is never
wrong.

What is left are the fields that take no step because they never change
(``const()``), and plain attributes of structures that are not declared field by
field. As KASAN poisons freed memory, a structure that has died is given a class that
reports whoever reads or writes these. Names that begin with an underscore are
pykmm's own and stay readable.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from ..engine.fields import is_made
from ..engine.objects import Named, Struct
from ..engine.thread import thread_here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..engine.events import Event
    from ..engine.machine import Machine
    from ..engine.rules import Rule

__all__ = ["Kasan"]


#: What the classes of poisoned structures have.
_MARK = "__poisoned__"


class Kasan:
    """Poisons what dies on one machine."""

    def __init__(self) -> None:
        self._poisoned = 0

    def event(self, event: Event) -> None:
        """Poison what has died since the last step."""
        dead = event.thread.machine.dead
        if len(dead) != self._poisoned:
            for struct in dead[self._poisoned :]:
                if not hasattr(type(struct), _MARK):
                    struct.__class__ = _poisoned(type(struct))
            self._poisoned = len(dead)

    def at_rest(self, machine: Machine) -> None:
        """Nothing to say: what is touched reports itself."""


def _is_poisoned(struct: Struct, name: str) -> bool:
    """Tell whether touching *name* takes no step that would be a report anyway."""
    rules: Mapping[str, Rule] | None = getattr(type(struct), "_rules", None)
    if rules is not None:
        rule = rules.get(name)
        if name.startswith("_") or rule is None or rule.kind != "const":
            return False
        return not rule.lazy or is_made(struct, name)
    if name.startswith("_") or name not in struct.__dict__:
        return False
    value = struct.__dict__[name]
    parts = value if isinstance(value, list) else [value]
    return not any(isinstance(part, Named) for part in parts)


def _complain(struct: Struct, name: str, verb: str) -> None:
    t = thread_here()
    if t is None or t.is_boot or t.machine.stopping or not _is_poisoned(struct, name):
        return
    raise struct._dead(f"{verb} ({name})")


def _make_poisoned(cls: type[Struct]) -> type[Struct]:
    """Make the class that *cls*'s structures get when they die."""

    def read(self: Struct, name: str) -> Any:
        if not name.startswith("_"):
            _complain(self, name, "read")
        return object.__getattribute__(self, name)

    def write(self: Struct, name: str, value: object) -> None:
        _complain(self, name, "written")
        cls.__setattr__(self, name, value)

    body = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__getattribute__": read,
        "__setattr__": write,
        _MARK: True,
    }
    return cast("type[Struct]", type(cls.__name__, (cls,), body))


_poisoned: Callable[[Any], type[Struct]] = cache(_make_poisoned)
