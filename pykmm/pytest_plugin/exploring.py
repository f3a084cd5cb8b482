# SPDX-License-Identifier: GPL-2.0-only
"""Run a test's body in every order, and tell of the one in which it fails."""

from __future__ import annotations

import inspect
import os
import shlex
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn

import pytest
from attrs import frozen

from ..cli.words import PREFERRED, drawn, quoted
from ..errors import KernelBug, Nondeterminism, Report, UsageError, choices
from ..runner import SCHEDULERS, Execution, Result, Scenario, explore, replay
from ..trace import complete
from . import MARK, PartlyExplored, tell

__all__ = ["ForEachExecution", "check", "explored"]

#: What a mark may say: of the scenario, of the exploration, and of what must come out.
_OF_SCENARIO: Final = ("config", "max_steps", "observers", "patches")
_OF_EXPLORATION: Final = (
    "bound",
    "depth",
    "detectors",
    "executions",
    "scheduler",
    "seconds",
    "seed",
)
_ARGUMENTS: Final = tuple(sorted((*_OF_SCENARIO, *_OF_EXPLORATION, "outcomes")))
#: What the command line says instead.
_OPTIONS: Final = ("bound", "executions", "seconds", "seed")
#: Of these, what goes with every way to explore; the others are for some tests only.
_LIMITS: Final = ("executions", "seconds")
#: What sets an end to an exploration.
_ENDS: Final = ("bound", "executions", "seconds")
#: Executions of a test for which nobody has set an end: seconds, not hours.
_EXECUTIONS: Final = 10_000
#: How the names of the files begin that pykmm's frames are in.
_PYKMM: Final = (str(Path(__file__).parents[1]), "<attrs generated")


class ForEachExecution:
    """Stands for the machine outside of a body that gets a new one each time."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python's and pytest's own questions
            raise AttributeError(name)
        raise UsageError(
            f"kmm_machine.{name} is asked for outside of the body of a test marked "
            f"{MARK}: each execution has a machine of its own, so use it in the body"
        )


def check(item: pytest.Item, mark: pytest.Mark) -> None:
    """Fail *item* with one sentence if it cannot be explored as *mark* says."""
    if mark.args:
        _refuse(f"{mark.args[0]!r} has no name: name each argument, as in bound=2")
    for name in mark.kwargs:
        if name not in _ARGUMENTS:
            _refuse(f"there is no argument {name!r}: known are {choices(_ARGUMENTS)}")
    outcomes = mark.kwargs.get("outcomes", [None])
    if not isinstance(outcomes, list | tuple) or not outcomes:
        _refuse(f"outcomes={outcomes!r} must be a list of what the body may return")
    body = getattr(item, "obj", None)
    if body is None or "kmm_machine" not in inspect.signature(body).parameters:
        _refuse(f"{item.name} does not take kmm_machine: make it an argument")
    if getattr(body, "is_hypothesis_test", False):
        _refuse(
            f"{item.name} is a test of @given, which runs its body by itself: call "
            "pykmm.explore() in the body instead"
        )
    if inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body):
        _refuse(f"{item.name} is async: give the machine's processes programs instead")


def _refuse(why: str) -> NoReturn:
    pytest.fail(f"{MARK}: {why}", pytrace=False)


def explored(item: pytest.Function, mark: pytest.Mark) -> Callable[..., None]:
    """Return what explores the body of *item* when it is called as the body."""
    body = item.obj

    @wraps(body)
    def run(**arguments: Any) -> None:
        __tracebackhide__ = True
        _Test(item, body, mark.kwargs, arguments).run()

    return run


@frozen
class _Test:
    """One test: its body, what the mark says, and its other fixtures."""

    item: pytest.Function
    body: Callable[..., object]
    marked: Mapping[str, Any]
    arguments: dict[str, Any]

    def run(self) -> None:
        """Explore, or replay; raise what the body or the kernel did wrong."""
        __tracebackhide__ = True
        schedule = self.item.config.getoption("--kmm-replay")
        try:
            if schedule is None:
                return self._explore()
            return self._judge(replay(self._scenario(), schedule))
        except Nondeterminism as error:
            wrong = str(error)
        except UsageError as error:
            if _outside(error.__traceback__) is not None:
                raise  # out of the body
            wrong = str(error)
        _refuse(wrong)

    def _scenario(self) -> Scenario:
        facts = {k: v for k, v in self.marked.items() if k in _OF_SCENARIO}
        return Scenario(name=self.item.name, function=self._once, **facts)

    def _once(self, machine: object) -> object:
        """Run the body on *machine*; a call of ``pytest.fail()`` is a finding, too."""
        try:
            return self.body(**{**self.arguments, "kmm_machine": machine})
        except pytest.fail.Exception as failure:
            raise AssertionError(str(failure)) from failure

    def _explore(self) -> None:
        __tracebackhide__ = True
        options, enough = self._options()
        result = explore(self._scenario(), stop_on_report=True, **options)
        tell(self.item, str(result))
        self.item.user_properties.append(("pykmm", result.reason))
        for report in result.reports:
            self._judge(replay(result.scenario, report.schedule, report=report), report)
        self._judge_outcomes(result)
        if not (enough or result.complete):
            warnings.warn(
                PartlyExplored(
                    f"{self.item.name} was explored only in part: {result.reason}; "
                    f"say with {MARK}(executions=) or (bound=) how far it is to go"
                ),
                stacklevel=1,
            )

    def _options(self) -> tuple[dict[str, Any], bool]:
        """Return how to explore, and whether somebody has said how far to go."""
        chosen = {k: v for k, v in self.marked.items() if k in _OF_EXPLORATION}
        named = SCHEDULERS.get(str(chosen.get("scheduler", "dpor")))
        bounded = named is None or named.takes_bound
        for name in _OPTIONS:
            value = self.item.config.getoption(f"--kmm-{name}")
            if value is not None and (
                named is None or name in (*_LIMITS, *named.takes)
            ):
                chosen[name] = value
        enough = not bounded or not chosen.keys().isdisjoint(_ENDS)
        return (chosen if enough else {**chosen, "executions": _EXECUTIONS}), enough

    def _judge_outcomes(self, result: Result) -> None:
        """Fail the test if others than the outcomes of the mark came out."""
        __tracebackhide__ = True
        if (wanted := self._wanted) is None:
            return
        for outcome in result.outcomes:
            if repr(outcome.value) not in wanted:
                self._judge(replay(result.scenario, outcome.witness))
        met = [repr(value) for value in result.values]
        missing = [value for value in wanted if value not in met]
        if missing:
            pytest.fail(
                f"no execution came out as {choices(missing)}, but as {choices(met)} "
                f"({result.reason})",
                pytrace=False,
            )

    @property
    def _wanted(self) -> list[str] | None:
        """The outcomes that the mark allows; None if it allows all."""
        wanted = self.marked.get("outcomes")
        return None if wanted is None else [repr(value) for value in wanted]

    def _judge(self, execution: Execution, found: Report | None = None) -> None:
        """Raise what is wrong with *execution*, and tell how it came about."""
        __tracebackhide__ = True
        report = execution.report or found or next(iter(execution.findings), None)
        line = self._command(execution)
        error: BaseException | None = report
        if type(report) is KernelBug and report.__cause__ is not None:
            error = report.__cause__  # the body's own
            if isinstance(error.__cause__, pytest.fail.Exception):
                error = error.__cause__
        elif report is not None:
            complete(report, execution.trace, replay=line, prefer=PREFERRED)
            tell(self.item, report.render())
        if error is not report or report is None:
            tell(self.item, f"{drawn(execution.trace)}\nreplay: {line}\n")
        if error is not None:
            raise error.with_traceback(_outside(error.__traceback__))
        if (wanted := self._wanted) and repr(execution.outcome) not in wanted:
            pytest.fail(
                f"an execution came out as {execution.outcome!r}, and not as "
                f"{choices(wanted)}",
                pytrace=False,
            )

    def _command(self, execution: Execution) -> str:
        """Write the line that runs this test in this order again."""
        here = self.item.config.invocation_params.dir
        _, colons, inside = self.item.nodeid.partition("::")
        test = shlex.quote(os.path.relpath(self.item.path, here) + colons + inside)
        return f"python -m pytest {test} --kmm-replay {quoted(execution.schedule)}"


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """Return *trace* without pykmm's frames: those of the test are left."""
    if trace is None:
        return None
    rest = _outside(trace.tb_next)
    if trace.tb_frame.f_code.co_filename.startswith(_PYKMM):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
