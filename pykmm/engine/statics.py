# SPDX-License-Identifier: GPL-2.0-only
"""What C keeps in file statics: one set of variables a module and machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .thread import AsThread, current_thread, thread_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Machine

__all__ = ["MachineLocal"]

_T = TypeVar("_T")


class MachineLocal(Generic[_T]):
    """A module's file-static variables, one set a machine.

    >>> _oom = MachineLocal(OomStatics)  # doctest: +SKIP
    >>> _oom().oom_lock  # doctest: +SKIP
    """

    def __init__(self, factory: Callable[[], _T]) -> None:
        self._factory = factory

    def __call__(self) -> _T:
        machine = (thread_here() or current_thread()).machine
        found: Any = machine.locals.get(self)  # type: ignore[arg-type]  # invariant
        if found is None:
            found = self._make(machine)
        made: _T = found
        return made

    def _make(self, machine: Machine) -> object:
        """Make the variables as boot would have made them, whoever asks first.

        What is made in here is known by the factory's name, not by the thread
        that happened to come first, so it is the same in every interleaving.
        """
        me = cast("MachineLocal[object]", self)
        boot = machine.boot
        with machine.making_statics:
            if me in machine.locals:
                return machine.locals[me]
            kept = boot.key, boot.created
            boot.key, boot.created = (self._factory.__qualname__,), 0
            try:
                with AsThread(boot):
                    machine.locals[me] = self._factory()
            finally:
                boot.key, boot.created = kept
            return machine.locals[me]
