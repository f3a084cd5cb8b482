# SPDX-License-Identifier: GPL-2.0-only
"""How structures come to be: one by one, or many at once.

Nobody else knows a new structure, so there is nothing for the descriptors of its
fields to check, and it is filled at once. Large worlds feel the difference, and that
between a call for each structure and a loop over all of them.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import attrs

from .defaults import dict_with_defaults
from .objects import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Maker", "make_many"]

_S = TypeVar("_S", bound=Struct)
_MISSING: Any = attrs.NOTHING  # attrs types its own marker so
_Factory: Any = attrs.Factory


class Maker(Generic[_S]):
    """Makes the structures of one class, whose fields attrs knows."""

    def __init__(self, made: type[_S]) -> None:
        fields = [a for a in attrs.fields(cast("Any", made)) if a.init]
        plain = {a.name: a.default for a in fields if not _is_made(a)}
        self.made = made
        self.names = frozenset(a.name for a in fields)
        self.needed = frozenset(name for name in plain if plain[name] is _MISSING)
        #: What is a structure's own and made with it.
        self.factories: list[tuple[str, Callable[[], Any]]] = [
            (a.name, a.default.factory)
            for a in fields
            if _is_made(a) and not a.metadata["rule"].lazy
        ]
        # What nobody ever writes has no key.
        self.state_of = dict_with_defaults(
            {name: plain[name] for name in plain if name not in self.needed}
        )
        self.then: Callable[[Any], None] | None = getattr(
            made, "__attrs_post_init__", None
        )

    def check(self, given: Iterable[str]) -> None:
        """Refuse keywords that are no fields, and too few of them."""
        given = frozenset(given)
        if odd := sorted(given - self.names) or sorted(self.needed - given):
            name = self.made.__name__
            raise TypeError(f"{name}(): wrong or missing: {', '.join(odd)}")

    def constructor(self) -> Callable[..., None]:
        """Make an ``__init__`` that takes the fields by keyword."""
        #: The lists of keywords that were found to be right: each call has its own.
        right: set[tuple[str, ...]] = set()
        factories, state_of, then = self.factories, self.state_of, self.then
        register = Struct._register

        def __init__(this: Any, **values: Any) -> None:  # noqa: N807 -- it becomes one
            if (given := tuple(values)) not in right:
                self.check(given)
                right.add(given)
            for name, factory in factories:
                if name not in values:
                    values[name] = factory()
            this.__dict__ = state_of(values)
            register(this)
            if then is not None:
                then(this)

        return __init__

    def many(self, each: Iterable[dict[str, Any]]) -> list[_S]:
        """Make a structure of each of *each*, which all have the same keys."""
        states = list(map(self.state_of, each))
        if not states:
            return []
        self.check(states[0])
        assert set(map(len, states)) == {len(states[0])}, "they have the same keys"
        structs = list(map(self.made.__new__, repeat(self.made, len(states))))
        for struct, state in zip(structs, states, strict=True):
            for name, factory in self.factories:
                if name not in state:
                    state[name] = factory()
            struct.__dict__ = state
        Struct._register_all(structs)
        if self.then is not None:
            for struct in structs:
                self.then(struct)
        return structs


def _is_made(field: attrs.Attribute[Any]) -> bool:
    return isinstance(field.default, _Factory)


def make_many(cls: type[_S], each: Iterable[dict[str, Any]]) -> list[_S]:
    """Make a *cls* of each of *each*: its fields, the same ones for all.

    They are what they would be if they had been made one after the other.
    """
    maker: Maker[_S] = cast("Any", cls)._maker
    return maker.many(each)
