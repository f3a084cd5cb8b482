# SPDX-License-Identifier: GPL-2.0-only
"""Structures whose fields know their locking rule.

A rule is data on the field, checked at each access while the machine runs:

``const()``
    Set when the structure is made, or by its owner before anyone else can see
    it; no rule, no step.
``guarded(by=...)``
    Plain accesses need the lock (a write needs it exclusively). They are no
    steps: the lock's own steps order them, which is sound because the rule is
    checked. With ``lockless=True`` somebody also reads it with ``READ_ONCE()``,
    so writes are steps; with ``owner=`` the owning task's own thread may read
    it without the lock, because only that thread writes it.
``owned()``
    Only the task that the structure is (``task_struct``) writes it, on its own
    thread, and reads it freely there. Its writes are steps, and so are the
    reads of everybody else.
``shared()``
    No lock. Every access is a step of its own; ``READ_ONCE()``,
    ``WRITE_ONCE()`` and ``data_race()`` mark it, a plain access is a finding
    for a data-race detector.
``embedded(primitive)``
    A lock, counter or flag word that lives inside the structure.

The host may do as it likes while the machine is at rest.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

import attrs

from ..errors import ContextError, UsageError
from .construct import Maker, make_many
from .events import READ, WRITE
from .ledger import holders
from .objects import Field, Named, Struct
from .rules import RULES, Rule, const, embedded, guarded, owned, shared
from .step import enter, leave
from .thread import Thread, thread_here

if TYPE_CHECKING:
    from typing import Protocol

    class _Lock(Protocol):
        """What a guarding lock answers."""

        def held_by(self, thread: Thread) -> bool: ...

        def held_exclusively_by(self, thread: Thread) -> bool: ...


__all__ = [
    "RULES",
    "Once",
    "Rule",
    "const",
    "embedded",
    "field_of",
    "guarded",
    "is_made",
    "kernel_struct",
    "make_many",
    "owned",
    "shared",
    "step_read",
    "step_write",
]

_T = TypeVar("_T")
_MISSING: Any = attrs.NOTHING  # attrs types its own marker so
_Factory: Any = attrs.Factory


def _plain_names(
    cls: type, fields: list[attrs.Attribute[Any]]
) -> list[attrs.Attribute[Any]]:
    """Let constructors take private fields by their own names, as mypy expects."""
    del cls
    return [field.evolve(alias=field.name) for field in fields]


@dataclass_transform(
    kw_only_default=True,
    eq_default=False,
    field_specifiers=(const, guarded, owned, shared, embedded),
)
def kernel_struct(cls: type[_T]) -> type[_T]:
    """Make *cls* a structure: an attrs class whose fields follow their rules."""
    made = attrs.define(
        cls,
        slots=False,
        eq=False,
        repr=False,
        init=False,
        field_transformer=_plain_names,
    )
    for attribute in attrs.fields(cast("Any", made)):
        rule: Rule | None = attribute.metadata.get("rule")
        if rule is None:
            raise UsageError(
                f"{cls.__name__}.{attribute.name} has no locking rule: declare it with "
                "const(), guarded(), shared() or embedded()"
            )
        RULES[cls.__name__, attribute.name] = rule
        if rule.kind == "guarded":
            setattr(made, attribute.name, _Guarded(attribute, rule))
        elif rule.kind == "owned":
            setattr(made, attribute.name, _Owned(attribute.name))
        elif rule.kind == "shared":
            setattr(made, attribute.name, _Shared(attribute.name))
        elif rule.kind == "embedded" or rule.lazy:
            setattr(made, attribute.name, _Lazy(attribute))
        elif not isinstance(attribute.default, (_Factory, type(_MISSING))):
            setattr(made, attribute.name, attribute.default)
    rules = {a.name: a.metadata["rule"] for a in attrs.fields(cast("Any", made))}
    cast("Any", made)._rules = rules
    maker = Maker(cast("Any", made))
    cast("Any", made)._maker = maker
    cast("Any", made).__init__ = maker.constructor()
    return made


def field_of(obj: Struct, name: str) -> Field:
    """Return the object that stands for one field of *obj* in events."""
    key = f"&{name}"
    found = obj.__dict__.get(key)
    if found is None:
        found = obj.__dict__.setdefault(key, Field(obj, name))
    return cast("Field", found)


def step_read(obj: Struct, name: str, kind: str = "READ_ONCE") -> Any:
    """Read a field in a step of its own."""
    field = field_of(obj, name)
    t = enter(field, kind)
    value = obj.__dict__[name]
    leave(t, field, READ, value)
    return value


def step_write(obj: Struct, name: str, value: Any, kind: str = "WRITE_ONCE") -> None:
    """Write a field in a step of its own."""
    field = field_of(obj, name)
    t = enter(field, kind)
    field.before = obj.__dict__[name]
    obj.__dict__[name] = value
    leave(t, field, WRITE, value)


def is_made(obj: Struct, name: str) -> bool:
    """Tell whether anybody has ever asked for a part: if not, it is as at first."""
    return name in obj.__dict__


class _Lazy:
    """Descriptor of a part that is not made yet; the made one hides it."""

    def __init__(self, attribute: attrs.Attribute[Any]) -> None:
        self.name = attribute.name
        default: Any = attribute.default
        self.make: Callable[..., Any] = default.factory
        self.takes_self: bool = default.takes_self

    def __get__(self, obj: Struct | None, cls: type) -> Any:
        if obj is None:
            return self
        made = self.make(obj) if self.takes_self else self.make()
        if isinstance(made, Named) and made.owner is obj:
            made._place = self.name  # it need not look for itself later
        # Of two threads that come here at once, both get what one of them made.
        return obj.__dict__.setdefault(self.name, made)


class _Shared:
    """Descriptor of a lockless field: plain accesses are steps, too."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, obj: Struct | None, cls: type) -> Any:
        if obj is None:
            return self
        t = thread_here()
        state = obj.__dict__
        if t is not None and t.is_boot and "_death" not in state:
            return state[self.name]  # the host's look: no step
        return step_read(obj, self.name, "read")

    def __set__(self, obj: Struct, value: Any) -> None:
        if "_made" in obj.__dict__:
            step_write(obj, self.name, value, "write")
        else:
            obj.__dict__[self.name] = value


class _Owned(_Shared):
    """Descriptor of a field that its task owns: the owner reads for nothing."""

    def __get__(self, obj: Struct | None, cls: type) -> Any:
        if obj is None:
            return self
        t = thread_here()
        if t is None or t.task is obj or "_made" not in obj.__dict__:
            return obj.__dict__[self.name]
        return step_read(obj, self.name, "read")

    def __set__(self, obj: Struct, value: Any) -> None:
        t = thread_here()
        if t is not None and t.task is not obj and t is not t.machine.boot:
            if "_made" in obj.__dict__ and not t.machine.stopping:
                raise ContextError(
                    f"{t.name} writes {obj.name}.{self.name}: not its own task"
                )
        super().__set__(obj, value)


class _Guarded:
    """Descriptor of a locked field: accesses check the rule."""

    def __init__(self, attribute: attrs.Attribute[Any], rule: Rule) -> None:
        self.name = attribute.name
        self.rule = rule
        #: Of a lazy one, what makes the value.
        self.default: Any = attribute.default
        self.lock_of = rule.lock_of or operator.attrgetter(rule.by)
        self.owner_of: Callable[[Any], Any] | None = None
        if rule.owner:
            self.owner_of = (
                _itself if rule.owner == "self" else operator.attrgetter(rule.owner)
            )

    def __get__(self, obj: Struct | None, cls: type) -> Any:
        if obj is None:
            return self
        t = thread_here()
        if t is not None and not t.is_boot and "_made" in obj.__dict__:
            if obj._death is not None and not t.machine.stopping:
                raise obj._dead(f"read ({self.name})")
            if not self._may_read(obj, t):
                self._complain(obj, t, "reads")
        try:
            return obj.__dict__[self.name]
        except KeyError:  # a lazy one
            default = self.default
            made = default.factory(obj) if default.takes_self else default.factory()
            return obj.__dict__.setdefault(self.name, made)

    def __set__(self, obj: Struct, value: Any) -> None:
        t = thread_here()
        if "_made" in obj.__dict__ and t is not None and not t.is_boot:
            if obj._death is not None and not t.machine.stopping:
                raise obj._dead(f"written ({self.name})")
            if not self.lock_of(obj).held_exclusively_by(t):
                self._complain(obj, t, "writes")
            if self.rule.lockless:
                step_write(obj, self.name, value, "write")
                return
        obj.__dict__[self.name] = value

    def _may_read(self, obj: Struct, t: Thread) -> bool:
        if self.owner_of is not None and self.owner_of(obj) is t.task:
            return True
        return cast("_Lock", self.lock_of(obj)).held_by(t)

    def _complain(self, obj: Struct, t: Thread, verb: str) -> None:
        if t.machine.stopping:
            return
        raise ContextError(
            f"{t.name} {verb} {obj.name}.{self.name} without {obj.name}.{self.rule.by}",
            facts=holders(self.lock_of(obj), t),
        )


def _itself(obj: Struct) -> Struct:
    return obj


class Once:
    """A view of a structure through which accesses are marked, not plain.

    Subclasses say how, in ``_kind``.
    """

    __slots__ = ("_obj",)

    _kind = "once"

    def __init__(self, obj: Struct) -> None:
        _set_target(self, obj)

    def __getattribute__(self, name: str) -> Any:
        obj = _target(self)
        rule: Rule | None = obj._rules.get(name)
        if rule is None:
            raise UsageError(f"{type(obj).__name__} has no field {name!r}")
        if not rule.marked:
            raise UsageError(
                f"{type(obj).__name__}.{name} is guarded by {rule.by}: take the "
                "lock, or declare the field lockless=True"
            )
        return step_read(obj, name, type(self)._kind)

    def __setattr__(self, name: str, value: object) -> None:
        obj = _target(self)
        if name not in obj._rules:
            raise UsageError(f"{type(obj).__name__} has no field {name!r}")
        step_write(obj, name, value, type(self)._kind)


#: How the view itself gets at its structure: everything else is the structure's.
_target: Callable[[Once], Any] = Once.__dict__["_obj"].__get__
_set_target: Callable[[Once, Struct], None] = Once.__dict__["_obj"].__set__
