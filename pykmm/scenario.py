# SPDX-License-Identifier: GPL-2.0-only
"""A situation with a name, and the machine it takes place on.

Any callable that takes a machine can be explored; a :class:`Scenario` says more:
which configuration, which kind of machine, and how far to explore by default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve, field, frozen, validators

from . import workbench
from .engine.config import Config
from .engine.machine import Machine
from .errors import UsageError, check_calls, check_is, check_plain, check_whole
from .patches.patch import Patch, apply

if TYPE_CHECKING:
    from .engine.machine import Observer
    from .engine.pool import Pool
    from .engine.scheduler import Scheduler

__all__ = ["MachineFactory", "Scenario"]


class MachineFactory(Protocol):
    """Boots a machine; :class:`pykmm.engine.Machine` is one."""

    def __call__(
        self,
        config: Config | None = None,
        *,
        scheduler: Scheduler | None = None,
        observers: Sequence[Observer] = (),
        pool: Pool | None = None,
        stacks: bool = False,
        max_steps: int = 1_000_000,
    ) -> Machine:
        """Return a machine at rest."""
        ...


def _is_callable(_: object, __: object, value: Any) -> None:
    check_plain("scenario", value, "a function that takes a machine, or a Scenario")
    try:
        signature(value).bind(None)
    except TypeError as error:
        raise UsageError(
            f"scenario={value!r} must take one argument, the machine ({error})"
        ) from None
    except ValueError:  # nobody knows what it takes
        pass


def _is_text(_: object, attribute: Any, value: Any) -> None:
    check_is(f"Scenario: {attribute.name}", value, str, "text")


def _is_config(_: object, __: object, value: Any) -> None:
    check_is("Scenario: config", value, Config | None, "a Config")


def _is_patches(_: object, __: object, value: Any) -> None:
    check_is("Scenario: patches", value, tuple | list, "a tuple of patches")
    for patch in value:
        check_is("Scenario: one of patches", patch, Patch, "a Patch")


def _are_calls(_: object, __: object, value: Any) -> None:
    check_is("Scenario: observers", value, tuple | list, "a tuple of functions")
    for make in value:
        check_calls("Scenario: one of observers", make)


def _is_positive(_: object, attribute: Any, value: Any) -> None:
    check_whole(f"Scenario: {attribute.name}", value)


@frozen(kw_only=True)
class Scenario:
    """A function of a machine, with all that is needed to explore it.

    What *function* returns is the execution's outcome; outcomes are told apart by
    their ``repr``. It runs once for each execution and must do the same each time,
    but for what the machine's threads do differently.
    """

    name: str = field(validator=_is_text)
    function: Callable[[Any], object] = field(validator=_is_callable)
    summary: str = field(default="", validator=_is_text)
    config: Config | None = field(default=None, validator=_is_config)
    #: What boots the machine that the function gets.
    machine: MachineFactory = workbench.Machine
    #: Variants of the kernel that the machine runs.
    patches: tuple[Patch, ...] = field(default=(), validator=_is_patches)
    #: Detectors: each is called once for each execution and makes an observer.
    observers: tuple[Callable[[], Observer], ...] = field(
        default=(), validator=_are_calls
    )
    #: How far to explore where the caller does not say: in executions, in preemptions.
    executions: int | None = field(
        default=None, validator=validators.optional(_is_positive)
    )
    bound: int | None = None
    #: After how many steps an execution counts as a livelock.
    max_steps: int = field(default=100_000, validator=_is_positive)

    @classmethod
    def of(cls, scenario: Callable[[Any], object] | Scenario) -> Scenario:
        """Return *scenario*, which may be a bare function."""
        if isinstance(scenario, Scenario):
            return scenario
        name = getattr(scenario, "__name__", type(scenario).__name__)
        doc = getattr(scenario, "__doc__", None) or ""
        return cls(name=name, function=scenario, summary=doc.strip().partition("\n")[0])

    def boot(
        self,
        *,
        scheduler: Scheduler | None = None,
        observers: Sequence[Observer] = (),
        pool: Pool | None = None,
        stacks: bool = False,
    ) -> Machine:
        """Boot a machine for one execution."""
        machine = self.machine(
            self.config,
            scheduler=scheduler,
            observers=[*(make() for make in self.observers), *observers],
            pool=pool,
            stacks=stacks,
            max_steps=self.max_steps,
        )
        apply(machine, self.patches)
        return machine

    def but(self, **changes: Any) -> Scenario:
        """Return the same scenario with other values for some attributes."""
        return evolve(self, **changes)
