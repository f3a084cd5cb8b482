# SPDX-License-Identifier: GPL-2.0-only
"""Things that events happen to: named, countable, mortal.

A name is for people (``mm_struct#2``, counted per machine, never an address). A
uid is for the explorer: it is made of the creating thread's path and a counter
of its own, so that it is the same object's in every interleaving, whichever
thread happened to allocate first.
"""

from __future__ import annotations

from itertools import count, repeat
from typing import TYPE_CHECKING

from ..errors import UseAfterFree
from .ledger import at, born, died, references
from .stacks import stack_here
from .thread import current_thread, thread_here

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Hashable, Sequence

    from .thread import Thread

__all__ = ["Birth", "Field", "Named", "Root", "Struct"]


class Named:
    """Something that steps happen to.

    *owner* is the structure it is embedded in; a primitive finds its own name
    there. An owner that is dead makes every step on its parts a use after free.
    """

    #: The structure that dies with this object inside, or the object itself.
    owner: Struct | None = None
    #: Who freed the object, and how many steps had been taken; None while it lives.
    _death: tuple[str, int] | None = None
    #: Whether "read" and "write" of it are plain accesses: such can race.
    plain: bool = False
    #: Free running: the raw lock around a step, and who waits for the state.
    raw: LockType | None = None
    raw_waiters: list[Thread] | None = None
    #: The owner's field that this is, once somebody has asked.
    _place: str = ""

    @property
    def uid(self) -> Hashable:
        """Identify the object across executions."""
        owner = self.owner
        return id(self) if owner is None else (owner.uid, self._field())

    @property
    def name(self) -> str:
        """Name the object for people: the owner's name and the field."""
        owner = self.owner
        return type(self).__name__ if owner is None else f"{owner.name}.{self._field()}"

    def _field(self) -> str:
        place = self._place
        if not place:
            place = self._find_place()
            self._place = place if place != "?" else ""
        return place

    def _find_place(self) -> str:
        for key, value in list(vars(self.owner).items()):
            if value is self:
                return str(key)
            if isinstance(value, list) and any(part is self for part in value):
                return f"{key}[{next(i for i, p in enumerate(value) if p is self)}]"
        return "?"


class Struct(Named):
    """An object with a life of its own: allocated, used, freed.

    Subclasses name their C struct; the machine counts them by class name.
    """

    #: All of where it came from, kept as one: its creator's path, how many structures
    #: that had made before, which one of its class it is on its machine, its creator's
    #: name, and where the machine's trace stood. Others are told of it from then on.
    _made: tuple[tuple[object, ...], int, int, str, int]
    #: Function names, innermost first, of where it was made and where it was freed;
    #: only where the machine records them.
    _born_in: tuple[str, ...] = ()
    _died_in: tuple[str, ...] = ()

    def _register(self) -> None:
        """Give the object its name; from now on accesses to it are checked."""
        thread = thread_here() or current_thread()
        machine = thread.machine
        assert not hasattr(self, "_made"), "a kernel_struct is registered when made"
        kind, counts, created = type(self).__name__, machine.counts, thread.created
        number = counts[kind] = counts.get(kind, 0) + 1
        # Python finds attributes more slowly once somebody has asked for a __dict__.
        self._made = thread.key, created, number, thread.name, len(machine.events)
        thread.created = created + 1
        machine.alive[self] = None
        if machine.stacks and not thread.is_boot:
            self._born_in = stack_here()

    @staticmethod
    def _register_all(structs: Sequence[Struct]) -> None:
        """Name *structs*, all of one class, as if one was made after the other."""
        thread = thread_here() or current_thread()
        machine, kind = thread.machine, type(structs[0]).__name__
        number, created = machine.counts.get(kind, 0), thread.created
        machine.counts[kind] = number + len(structs)
        thread.created = created + len(structs)
        made = zip(
            repeat(thread.key),
            count(created),
            count(number + 1),
            repeat(thread.name),
            repeat(len(machine.events)),
        )
        for struct, each in zip(structs, made, strict=False):  # that never ends
            struct.__dict__["_made"] = each
        machine.alive.update(dict.fromkeys(structs))

    @property
    def uid(self) -> Hashable:
        found: Hashable = self.__dict__.get("_uid")
        if found is None:
            key, created = self._made[:2]
            found = self.__dict__["_uid"] = (*key, -created)
        return found

    @property
    def name(self) -> str:
        return f"{type(self).__name__}#{self._made[2]}"

    @property
    def _birth(self) -> tuple[str, int]:
        """Who allocated it, and how many steps had been taken."""
        return self._made[3:]

    def __repr__(self) -> str:
        return self.name if "_made" in self.__dict__ else type(self).__name__

    def _free(self) -> None:
        """End the object's life; a second time is a double free."""
        thread = current_thread()
        if self._death is not None:
            raise self._dead("freed again")
        machine = thread.machine
        self._death = (thread.name, len(machine.events))
        if machine.stacks and not thread.is_boot:
            self._died_in = stack_here()
        machine.freed(self)

    def _dead(self, what: str) -> UseAfterFree:
        """Make the report that somebody did *what* to this dead object."""
        thread = current_thread()
        machine = thread.machine
        verb, _, how = what.partition(" by ")
        here = f"at step {len(machine.events)}  {how}" if how else at(thread)
        held = ", ".join(lock.name for lock in thread.held) or "no lock"
        return UseAfterFree(
            f"{self.name} was {what} after it had been freed",
            facts=[
                (verb, f"by {thread.name} {here}"),
                *died(self, machine),
                *born(self, machine),
                *references(self, thread),
                ("protected", f"by nothing: {thread.name} holds {held}"),
            ],
        )


class Root(Struct):
    """A structure that lives as long as its machine, such as a file's statics."""

    def __init__(self) -> None:
        self._register()


class Field(Named):
    """One field of a structure, as an object of its own for the explorer."""

    plain = True
    #: What it held before it was last written in a step, for people to read.
    before: object = None

    def __init__(self, owner: Struct, field: str) -> None:
        self.owner = owner
        self.field = field

    def _field(self) -> str:
        return self.field


class Birth(Named):
    """What a thread's first step happens to, where it is nothing else."""

    def __init__(self, t: Thread) -> None:
        self.thread = t

    @property
    def uid(self) -> tuple[object, ...]:
        return ("birth", *self.thread.key)

    @property
    def name(self) -> str:
        return self.thread.name
