# SPDX-License-Identifier: GPL-2.0-only
"""The locking rules that fields of structures can have, as data.

What each means is told in :mod:`pykmm.engine.fields`, which checks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from .objects import Struct

__all__ = ["RULES", "Rule", "const", "embedded", "guarded", "owned", "shared"]

_MISSING: Any = attrs.NOTHING  # attrs types its own marker so


@attrs.frozen
class Rule:
    """The locking rule of one field, for checks and for the lock tables."""

    kind: str
    by: str = ""
    lockless: bool = False
    owner: str = ""
    lock_of: Callable[[Any], Any] | None = None
    #: Whether the factory waits until somebody asks for the value.
    lazy: bool = False
    #: Whether marked reads are allowed without a lock.
    marked: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        marked = self.kind != "guarded" or self.lockless
        object.__setattr__(self, "marked", marked)


#: Rules by class and field name; filled at import, then constant.
RULES: dict[tuple[str, str], Rule] = {}


def _spec(rule: Rule, default: Any, factory: Any) -> Any:  # a dataclass field specifier
    if factory is not None:
        default = attrs.Factory(factory)
    return attrs.field(default=default, metadata={"rule": rule}, kw_only=True)


def const(
    *,
    default: Any = _MISSING,
    factory: Callable[[], Any] | None = None,
    lazy: bool = False,
) -> Any:
    """Declare a field that does not change while others can see it.

    *lazy* lets the factory wait until somebody asks; it must not make structures,
    whose names tell in which order they came.
    """
    return _spec(Rule("const", lazy=lazy), default, factory)


def guarded(
    *,
    by: str | Callable[[Any], Any],
    default: Any = _MISSING,
    factory: Callable[[], Any] | None = None,
    lockless: bool = False,
    owner: str = "",
    lazy: bool = False,
) -> Any:
    """Declare a field that the lock at path *by* protects.

    Where the lock is no part of the structure, *by* is a function that finds it.
    *lazy* is as in :func:`const`.
    """
    path, lock_of = (by, None) if isinstance(by, str) else (by.__name__, by)
    rule = Rule("guarded", path, lockless, owner, lock_of, lazy)
    return _spec(rule, default, factory)


def owned(*, default: Any = _MISSING, factory: Callable[[], Any] | None = None) -> Any:
    """Declare a field that only its task's own thread writes."""
    return _spec(Rule("owned"), default, factory)


def shared(*, default: Any = _MISSING, factory: Callable[[], Any] | None = None) -> Any:
    """Declare a field that is read and written without a lock."""
    return _spec(Rule("shared"), default, factory)


def embedded(
    primitive: Callable[[Struct], Any], *, init: Literal[False] = False
) -> Any:
    """Declare a lock, counter or flag word inside the structure.

    It is made when somebody first asks for it: most of a structure's parts are never
    looked at, and whoever looks finds the same part, whenever that is.

    *init* is never given: type checkers read from it that constructors do not
    take the field.
    """
    return attrs.field(
        init=init,
        default=attrs.Factory(primitive, takes_self=True),
        metadata={"rule": Rule("embedded")},
    )
