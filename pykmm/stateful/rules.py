# SPDX-License-Identifier: GPL-2.0-only
"""The state machine for hypothesis: the one place that knows its classes.

A rule takes one step of a story; the machine, its model and all comparing are in
:mod:`.world` and know nothing of hypothesis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from hypothesis import Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ..engine.config import Config
from ..errors import Report
from ..patches.patch import Patch
from . import draw
from .model import State
from .shorten import shorten
from .steps import Spawn
from .world import CONFIG, Law, Step, World, retell

__all__ = ["EXAMPLES", "STEPS", "CallOrders", "RacingCallOrders", "fuzz"]

#: The budget: many short stories, because what can be found is in few steps.
EXAMPLES: Final = 500
STEPS: Final = 12


class _Orders(RuleBasedStateMachine):
    """Processes that come, and what the host does to them.

    Derive from it to add rules, which call :meth:`take` with a step, laws, and a model
    that knows more, or to try variants of the kernel.
    """

    #: Variants of the kernel, and the machine that runs them.
    patches: ClassVar[Sequence[Patch]] = ()
    config: ClassVar[Config] = CONFIG
    #: How the model begins, and what has to hold beyond what it says.
    model: ClassVar[State] = State()
    laws: ClassVar[Sequence[Law]] = ()
    #: How many threads there are before none is spawned any more: few meet often.
    crowd: ClassVar[int] = 4

    def __init_subclass__(cls, **facts: Any) -> None:
        super().__init_subclass__(**facts)
        cls.TestCase.settings = settings(
            cls.TestCase.settings,
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            report_multiple_bugs=False,
        )

        def run(test: Any) -> None:
            budget = test.settings
            fuzz(
                cls,
                examples=budget.max_examples,
                steps=budget.stateful_step_count,
            )

        # Hypothesis shrinks for up to five minutes of wall-clock time, so that what a
        # failing test says would depend on how busy the machine is.
        cls.TestCase.runTest = run  # type: ignore[assignment, method-assign] # see above

    def __init__(self) -> None:
        super().__init__()
        self.world = World(**self._facts())

    @classmethod
    def _facts(cls) -> dict[str, Any]:
        return {
            "config": cls.config,
            "patches": cls.patches,
            "model": cls.model,
            "laws": cls.laws,
            "teller": f"{cls.__name__}.retell",
        }

    @classmethod
    def retell(cls, story: Sequence[Step]) -> State:
        """Take the steps of *story* on a new machine of this kind.

        Return: the state of the model in the end.
        """
        return retell(story, **cls._facts())

    def take(self, step: Step) -> None:
        """Take a step of the story."""
        self.world.take(step)

    def have(self, size: int) -> None:
        """See to it that there are so many threads that can be asked for calls."""
        while self.world.size < size:
            self.take(Spawn(pages=4))

    @precondition(lambda self: len(self.world.sitting()) < self.crowd)
    @rule(step=draw.spawns())
    def spawn(self, step: Step) -> None:
        """Begin another process."""
        self.take(step)

    @precondition(lambda self: self.world.cast)
    @rule(step=draw.host_steps())
    def host(self, step: Step) -> None:
        """Do something from outside."""
        self.take(step)

    def teardown(self) -> None:
        """Switch off."""
        self.world.close()


class CallOrders(_Orders):
    """Random system calls, one at a time, each run until the machine is at rest.

    Derive from it to add rules, which call :meth:`take` with a step, laws, and a model
    that knows more, or to try variants of the kernel.
    """

    @rule(step=draw.together(at_most=1, switches=0))
    def call(self, step: Step) -> None:
        """Have a program make a call."""
        self.have(1)
        self.take(step)


class RacingCallOrders(_Orders):
    """Random system calls that overlap: up to three, with up to three preemptions."""

    @rule(step=draw.together())
    def race(self, step: Step) -> None:
        """Have programs make calls at the same time."""
        self.have(2)
        self.take(step)

    @rule(data=st.data())
    def meet(self, data: st.DataObject) -> None:
        """Have a process go while another one uses its memory."""
        self.have(2)
        self.take(data.draw(draw.meetings(self.world)))


def fuzz(
    orders: type[_Orders], *, examples: int = EXAMPLES, steps: int = STEPS
) -> None:
    """Look for a story that goes wrong, and raise the report of a short one.

    Of the story that fails steps, calls and preemptions are deleted until what is left
    is needed. ``orders.TestCase`` is a test that does all this; the draws are those of
    hypothesis' seed.
    """
    __tracebackhide__ = True  # pytest need not show what the report tells better
    found: list[tuple[type[Report], list[Step]]] = []

    class Noting(orders):  # type: ignore[misc, valid-type]
        def take(self, step: Step) -> None:
            try:
                self.world.take(step)
            except Report as report:
                found.append((type(report), self.world.story))
                raise

    budget = settings(
        Noting.TestCase.settings,
        max_examples=examples,
        stateful_step_count=steps,
        phases=(Phase.generate,),
        verbosity=Verbosity.quiet,
        database=None,
    )
    try:
        run_state_machine_as_test(Noting, settings=budget)
    except Report:
        kind, story = found[-1]
    else:
        return
    orders.retell(shorten(story, lambda tried: _ends_in(orders, kind, tried)))


def _ends_in(orders: type[_Orders], kind: type[Report], story: Sequence[Step]) -> bool:
    """Tell whether *story* ends in a report of this kind; nothing is drawn."""
    world = World(**orders._facts())
    try:
        for step in story:
            world.take(step)
    except Report as report:
        return type(report) is kind
    finally:
        world.close()
    return False
