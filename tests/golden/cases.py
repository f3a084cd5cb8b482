# SPDX-License-Identifier: GPL-2.0-only
"""The texts that are compared with stored ones."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pykmm.__main__ import main
from pykmm.cli import words
from pykmm.runner import explore, replay
from pykmm.trace import draw, splat

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["CASES"]

CASES: dict[str, Callable[[], str]] = {}


def case(make: Callable[[], str]) -> Callable[[], str]:
    """Register *make* under its name."""
    CASES[make.__name__] = make
    return make


def load(path: Path) -> ModuleType:
    """Import the module at *path*, wherever the tests are run from."""
    name = f"pykmm_tests_golden_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def toys() -> ModuleType:
    """Return the toy programs that the tests of the trace use, too."""
    return load(Path(__file__).parents[1] / "trace" / "toys.py")


def faults() -> ModuleType:
    """Return the programs with a mistake, those of all files."""
    found = load(Path(__file__).with_name("faults.py"))
    others = load(Path(__file__).with_name("faults_lockdep.py"))
    for name in others.__all__:
        found.fault(getattr(others, name))
    return found


def of_fault(name: str) -> str:
    """Explore a program with a mistake; write what is reported, as the command does."""
    scenario = faults().scenario(name)
    reports = explore(scenario).reports
    return "\n".join(
        words.splat(
            scenario, report, replay(scenario, report.schedule, report=report).trace
        )
        for report in reports
    )


for _name in faults().FAULTS:
    CASES[f"report_{_name}"] = partial(of_fault, _name)


def of_toy(name: str, schedule: str) -> str:
    """Run a toy program; write its report, or else its drawing, and all steps."""
    trace, report = toys().run(getattr(toys(), name), schedule)
    drawn = draw(trace) if report is None else splat(report, trace)
    return f"{drawn}\n{trace}"


@case
def trace_lost_update() -> str:
    """Two threads that overwrite each other."""
    return of_toy("lost_update", "a*2 b*3 a")


@case
def trace_mm_life() -> str:
    """Counts of a structure, and functions that come and go."""
    return of_toy("mm_life", "victim*9 victim/2*5 lmkd*2 victim/2*20")


@case
def trace_lock_sections() -> str:
    """Folded locks and folded private work."""
    return of_toy("lock_sections", "releaser*9 watcher*3 releaser*9")


@case
def trace_crowd() -> str:
    """More threads than columns."""
    return of_toy("crowd", "long*3 longer*3 short/3*2")


@case
def trace_sleeper() -> str:
    """Somebody still sleeps at the end."""
    return of_toy("sleeper", "")


@case
def splat_use_after_free() -> str:
    """An object that was dropped under its reader."""
    return of_toy("late_reader", "")


@case
def splat_deadlock() -> str:
    """Two locks, two orders."""
    return of_toy("two_locks", "one*3 two*3")


@case
def splat_context() -> str:
    """A lock given back by somebody who does not hold it."""
    return of_toy("wrong_unlock", "")


@case
def splat_between_steps() -> str:
    """A mistake that no step made."""
    return of_toy("bug_on", "")


def of_command(*argv: str) -> str:
    """Call the command line; write the call, all it prints, and its status."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(list(argv))
    printed = re.sub(r", \d+\.\d\d s$", ", N.NN s", out.getvalue(), flags=re.MULTILINE)
    call = " ".join(repr(word) if " " in word or not word else word for word in argv)
    return f"$ pykmm {call}\n{printed}{err.getvalue()}[{status}]\n"


@case
def cli_list() -> str:
    """What there is."""
    return of_command("list")


@case
def cli_explore_alive() -> str:
    """A scenario with one outcome."""
    return of_command("explore", "mrelease-alive")


@case
def cli_explore_vs_exit() -> str:
    """The race that it is all about, in a few random walks."""
    options = ("--scheduler", "random", "--executions", "30", "--seed", "1")
    return of_command("explore", "mrelease-vs-exit", *options)


@case
def cli_explore_bug() -> str:
    """What it says of a kernel with a bug."""
    options = ("--scheduler", "random", "--executions", "5", "--seed", "1")
    bug = ("--bug", "mrelease-keeps-lock")
    return of_command("explore", "mrelease-vs-exit", *bug, *options)


@case
def cli_explore_ktap() -> str:
    """The same for the kernel's test tools."""
    options = ("--scheduler", "random", "--executions", "5", "--seed", "1")
    bug = ("--bug", "mrelease-keeps-lock", "--detect", "kasan,leak")
    return of_command("explore", "mrelease-vs-exit", "--ktap", *bug, *options)


@case
def cli_replay_full() -> str:
    """Each step of one execution."""
    return of_command("replay", "mrelease-alive", "", "--trace", "full")


@case
def cli_mistakes() -> str:
    """What wrong calls are told."""
    calls = (
        (),
        ("explode",),
        ("explore",),
        ("explore", "mrelease-vs-exi"),
        ("explore", "mrelease-alive", "--scheduler", "clever"),
        ("explore", "mrelease-alive", "--bound", "-1"),
        ("explore", "mrelease-alive", "--scheduler", "random", "--bound", "1"),
        ("explore", "mrelease-alive", "--seconds", "soon"),
        ("replay", "mrelease-alive", "lmkd**2"),
        ("replay", "mrelease-alive", "nobody"),
        ("replay", "mrelease-alive", "", "--watch", "nothing"),
        ("report", "no-such-file.log"),
    )
    return "\n".join(of_command(*argv) for argv in calls)
