# SPDX-License-Identifier: GPL-2.0-only
"""Wrong values, at wrong times: a sentence each, and nothing is done by half."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from pykmm import Config, Machine, Schedule, UsageError, explore, replay
from pykmm.linux.uapi import O_CREAT, O_RDWR
from pykmm.runner import double_run
from pykmm.scenario import Scenario
from pykmm.syscalls import kill, open, process_mrelease
from pykmm.workbench import Process

Act = Callable[[Any, Any], object]


def _generator() -> Iterator[int]:
    yield 1


async def _coroutine() -> None:
    """Do nothing."""


async def _both() -> AsyncIterator[int]:
    yield 1


WRONG: dict[str, tuple[Act, str]] = {
    "name": (lambda m, a: m.spawn(5), "name=5 must hold no spaces"),
    "bytes": (lambda m, a: m.spawn(b"x"), "name=b'x' must hold"),
    "size": (lambda m, a: m.spawn("b", anon=None), "anon=None is no size"),
    "regions": (lambda m, a: m.spawn("b", regions=5), "regions=5 must be a list"),
    "region": (lambda m, a: m.spawn("b", regions=[5]), "one of regions=5 must be"),
    "threads": (lambda m, a: m.spawn("b", threads="2"), "threads='2' must be a whole"),
    "uid": (lambda m, a: m.spawn("b", uid=-1), "uid=-1 must be a whole number"),
    "pid": (lambda m, a: m.spawn("b", pid="x"), "pid='x' must be a whole number"),
    "adj": (lambda m, a: m.spawn("b", oom_score_adj=1.5), "adj=1.5 must be -1000"),
    "sharer": (lambda m, a: m.spawn("b", shares_mm=5), "shares_mm=5 must be a process"),
    "parent": (lambda m, a: m.spawn("b", parent="x"), "parent='x' must be a process"),
    "memcg": (lambda m, a: m.spawn("b", memcg=5), "memcg=5 must be a cgroup"),
    "tree": (lambda m, a: m.spawn_tree(5), "tree or child=5 must be a Tree"),
    "cgroup": (lambda m, a: m.cgroup(5), "name=5 must hold a name"),
    "pids_max": (lambda m, a: m.cgroup("g", pids_max="x"), "pids_max='x' must be"),
    "above": (lambda m, a: m.cgroup("g", parent=5), "parent=5 must be a cgroup"),
    "file": (lambda m, a: m.file(5, 1), "path=5 must be text"),
    "root": (lambda m, a: m.file("/", 1), "path='/' must name a file"),
    "hold": (lambda m, a: m.hold(5, "x"), "thing=5 must be a lock or a counter"),
    "by": (lambda m, a: m.hold(a.space.mmap_lock, 5), "by=5 must be a process"),
    "program": (lambda m, a: a.runs(5), "program of app=5 must be a function"),
    "yield": (lambda m, a: a.runs(_generator), "does nothing when it is called"),
    "async": (lambda m, a: a.runs(_coroutine), "does nothing when it is called"),
    "both": (lambda m, a: a.runs(_both), "does nothing when it is called"),
    "bound": (lambda m, a: a.runs(partial(_generator)), "does nothing when it is"),
    "call": (lambda m, a: a.call(None), "function=None must be a function"),
    "kind": (lambda m, a: a.step_to(5), "kind=5 must be a word"),
    "on": (lambda m, a: a.step_to(on=5), "on=5 must be an object"),
    "inside": (lambda m, a: a.step_to(inside="x"), "inside='x' must be a kernel"),
    "argument": (
        lambda m, a: a.call(kill, "x", 9),
        "kill(): nr='x' must be a whole number",
    ),
    "thread": (lambda m, a: m.thread(5, print), "thread name=5 must be text"),
    "body": (lambda m, a: m.thread("t", 5), "thread t: body=5 must be a function"),
}


@pytest.mark.parametrize(("act", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_named_and_the_machine_stays_as_it_was(
    act: Act, says: str
) -> None:
    with Machine() as m:
        app = m.spawn("app", anon="64K")
        before = (list(m.processes), list(m.threads), dict(m.alive))
        with pytest.raises(UsageError) as caught:
            act(m, app)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert (list(m.processes), list(m.threads), dict(m.alive)) == before
        app.runs(lambda: 7)
        m.run()
        assert app.result == 7


def test_a_name_is_given_once_in_one_place() -> None:
    with Machine() as m:
        outer = m.cgroup("g")
        inner = m.cgroup("g", parent=outer)
        with pytest.raises(UsageError, match=r"cgroup\(\): /g is there already: give "):
            m.cgroup("g", memory_max="1M")
        with pytest.raises(UsageError, match=r"/g/g is there already: give name='g'"):
            m.cgroup("g", parent=outer)
        assert outer.children == [inner]


def test_a_file_is_made_once_whoever_makes_it() -> None:
    with Machine() as m:
        m.file("/there", "8K")
        with pytest.raises(UsageError, match="path='/there' is there already"):
            m.file("/there", 0)
        app = m.spawn("app")
        app.runs(lambda: open("/made", O_RDWR | O_CREAT))
        m.run()
        with pytest.raises(UsageError, match="path='/made' is there already"):
            m.file("/made", "4K")


def test_the_swap_file_is_there_if_there_is_swap() -> None:
    with Machine(Config(total_swap_pages=4)) as m:
        with pytest.raises(UsageError, match="path='/swapfile' is there already"):
            m.file("/swapfile", "4K")
    with Machine() as m:
        m.file("/swapfile", "4K")


def test_a_process_of_another_machine_is_no_parent() -> None:
    with Machine() as other, Machine() as m:
        stranger = other.spawn("stranger")
        with pytest.raises(UsageError, match="stranger is a process of another"):
            m.spawn("app", parent=stranger)


IN_PROGRAM: dict[str, Callable[[Machine, Process], object]] = {
    "run": lambda m, _: m.run(),
    "close": lambda m, _: m.close(),
    "spawn": lambda m, _: m.spawn("b"),
    "cgroup": lambda m, _: m.cgroup("g"),
    "runs": lambda m, a: a.runs(lambda: 0),
}


@pytest.mark.parametrize("verb", IN_PROGRAM)
def test_what_only_the_host_does_no_program_can(verb: str) -> None:
    with Machine() as m:
        app = m.spawn("app")
        app.runs(lambda: IN_PROGRAM[verb](m, app))
        with pytest.raises(UsageError, match=rf"{verb}\(\): app is a program"):
            m.run()


CLOSED: dict[str, Callable[[Machine, Any], object]] = {
    "run": lambda m, _: m.run(),
    "spawn": lambda m, _: m.spawn("b"),
    "let_go": lambda _, hold: hold.let_go(),
}


@pytest.mark.parametrize("verb", CLOSED)
def test_a_closed_machine_says_that_it_is(verb: str) -> None:
    with Machine() as m:
        hold = m.hold(m.spawn("app", anon="4K").space.mm_users, "me")
        m.close()
        with pytest.raises(UsageError, match="this machine was closed"):
            CLOSED[verb](m, hold)


def test_a_system_call_needs_somebody_who_calls_it() -> None:
    with Machine():
        with pytest.raises(UsageError, match=r"kill\(\): nobody is there to call it"):
            kill(1, 9)
    with pytest.raises(UsageError, match="outside of a machine"):
        process_mrelease(3, 0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"config": 5}, "config=5 must be a Config"),
        ({"scheduler": "dpor"}, "scheduler='dpor' must be a Scheduler"),
        ({"backend": "baton"}, "backend='baton' must be a Backend"),
        ({"baton": 5}, "baton=5 must be Baton or Greenlets"),
        ({"observers": [5]}, "observers has 5 in it"),
        ({"pool": 5}, "pool=5 must be a Pool"),
        ({"max_steps": 0}, "max_steps=0 must be a whole number"),
        ({"jitter": -1}, "jitter=-1 must be"),
        ({"seed": "x"}, "seed='x' must be a whole number"),
    ],
)
def test_a_machine_has_no_such_part(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Machine(**wrong)


def quiet(m: Machine) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: explore(lambda: None), "must take one argument, the machine"),
        (lambda: explore(lambda a, b: None), "must take one argument, the machine"),
        (lambda: explore(_generator), "does nothing when it is called"),
        (lambda: explore(quiet, detectors=5), "detectors=5 must be a list of names"),
        (lambda: explore(quiet, observers=5), "observers=5 must be a list"),
        (lambda: explore(quiet, observers=[5]), "one of observers=5 must be a func"),
        (lambda: explore(quiet, progress=5), "progress=5 must be a function"),
        (lambda: explore(quiet, executor=5), "executor=5 must be an Executor"),
        (lambda: explore(quiet, save="x"), "save='x' must be a function"),
        (lambda: explore(quiet, resume=5), "resume=5 must be the text"),
        (lambda: replay(quiet, "", report=5), "report=5 must be a Report"),
        (lambda: replay(quiet, "", observers=5), "observers=5 must be a list"),
        (lambda: double_run(quiet, executions=0), "executions=0 must be a whole"),
        (lambda: Schedule("a b"), "schedule='a b' must hold a thread's name"),
        (lambda: Schedule(5), "schedule=5 must hold"),
        (lambda: Schedule([5]), "must hold a thread's name for each step"),
        (lambda: Scenario(name=5, function=quiet), "name=5 must be text"),
        (lambda: Scenario(name="x", function=quiet, patches=["A"]), "='A' must be a P"),
        (lambda: Scenario(name="x", function=quiet, config=5), "config=5 must be"),
    ],
)
def test_an_exploration_takes_no_such_thing(
    call: Callable[[], object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        call()
