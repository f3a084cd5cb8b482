# SPDX-License-Identifier: GPL-2.0-only
"""What forbids a step, put so that it can be asked of another time, too.

An explorer wants to know whether a thread could have taken its step before it came
there. A guard is asked whenever a step is taken on the step's object if it is a method
of that or of the structure it is in, or a function of a module that takes either
first. Further arguments, bound by ``partial``, may be strings, numbers, tuples of such,
and the thread that waits. One that looks at several objects is made of such. Of any
other function nothing is known but what it answers now.

What decides about the class of a step can be asked in the same way.
"""

from __future__ import annotations

import sys
from functools import partial
from inspect import isfunction, ismethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from .thread import Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    from .events import Access
    from .objects import Named

__all__ = [
    "AllOf",
    "AnyOf",
    "Door",
    "Outcome",
    "Question",
    "answer",
    "is_thread",
    "one_way",
    "place_of",
    "questions",
]

#: A question that has an answer in every execution: whom to ask (by its class, or by
#: the class it is in and the field), the name of the method, or the function's with its
#: module, and the arguments, a thread being its key.
Door = tuple[object, ...]
#: Nothing that a program would use, and plain: doors are written to files.
_THREAD: Final = "\0thread"
_Asking = TypeVar("_Asking", bound="Callable[..., object]")


class AnyOf:
    """A guard that holds if one of several does, each with the object it looks at."""

    __slots__ = ("parts",)

    def __init__(self, *parts: tuple[Named, Callable[[], object]]) -> None:
        self.parts = parts

    def __call__(self) -> bool:
        for _, ask in self.parts:  # noqa: SIM110 -- any() takes twice as long
            if ask():
                return True
        return False


class AllOf:
    """A guard that holds if all of several do, each with the object it looks at.

    *parts* lists them when somebody asks, as there may be more of them each time.
    *gates* are objects that are known to make a difference, to the guard or to what
    the step does, though none of their steps may have been seen to.
    """

    __slots__ = ("_parts", "gates")

    def __init__(
        self,
        parts: Callable[[], Sequence[tuple[Named, Callable[[], object]]]],
        gates: Collection[Named],
    ) -> None:
        self._parts = parts
        self.gates = gates

    @property
    def parts(self) -> Sequence[tuple[Named, Callable[[], object]]]:
        """What it is made of now."""
        return self._parts()

    def __call__(self) -> bool:
        return all(ask() for _, ask in self._parts())


class Outcome(NamedTuple):
    """A step of *kind* on *obj* is of one class if *ask* holds, else of the other."""

    obj: Named
    kind: str
    ask: Callable[[], object]
    yes: Access
    no: Access


class Question(NamedTuple):
    """A part of a guard, and the object whose steps change the answer.

    The door is None if it can be asked only now. Others may open one that is *one_way*,
    and never shut it.
    """

    obj: Named
    ask: Callable[[], object]
    door: Door | None
    one_way: bool = False


def questions(guard: Callable[[], object], obj: Named) -> tuple[Question, ...]:
    """Take the guard of a step on *obj* apart."""
    parts = guard.parts if isinstance(guard, AnyOf | AllOf) else ((obj, guard),)
    return tuple(
        Question(on, ask, _door(on, ask), _is_one_way(ask)) for on, ask in parts
    )


def one_way(guard: _Asking) -> _Asking:
    """Mark a function as a guard that only the waiting thread's own steps shut.

    Then it was shut without what others have done if it is shut with that.
    """
    guard.one_way = True  # type: ignore[attr-defined]  # functions have room for it
    return guard


def _is_one_way(ask: Callable[[], object]) -> bool:
    return getattr(ask.func if isinstance(ask, partial) else ask, "one_way", False)


def _door(obj: Named, ask: Callable[[], object]) -> Door | None:
    method, *args = (ask,)
    if isinstance(ask, partial) and not ask.keywords:
        method, *args = (ask.func, *ask.args)
    if ismethod(method):
        asked, name = method.__self__, method.__name__
    elif args and isfunction(method) and "." not in method.__qualname__:
        asked, *args = args
        name = f"{method.__module__}:{method.__name__}"
    else:
        return None
    if asked is not obj and asked is not obj.owner:
        return None
    place = type(obj).__name__ if asked is obj else place_of(obj)
    if not all(isinstance(a, Thread) or _is_plain(a) for a in args):
        return None
    return (place, name, *map(_named, args))


def _named(arg: object) -> object:
    return (_THREAD, arg.key) if isinstance(arg, Thread) else arg


def is_thread(arg: object) -> bool:
    """Tell whether it stands for a thread in a door, by its key."""
    return isinstance(arg, tuple) and arg[:1] == (_THREAD,)


def _is_plain(value: object) -> bool:
    """Tell whether it is the same in every execution."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int)


def place_of(obj: Named) -> str:
    """Name the field that *obj* is, without saying of which structure of its class."""
    return f"{type(obj.owner).__name__}.{obj._field()}"


def answer(obj: Named, door: Door, thread: Callable[[Hashable], Thread | None]) -> bool:
    """Ask *obj* now; *thread* finds one by its key. Nothing holds for one to come."""
    place, name = door[:2]
    args: Sequence[Any] = door[2:]
    asked = obj if place == type(obj).__name__ else obj.owner
    if any(is_thread(a) and thread(a[1]) is None for a in args):
        return False
    found = [thread(a[1]) if is_thread(a) else a for a in args]
    module, _, function = str(name).rpartition(":")
    if module:
        return bool(getattr(sys.modules[module], function)(asked, *found))
    return bool(getattr(asked, function)(*found))
