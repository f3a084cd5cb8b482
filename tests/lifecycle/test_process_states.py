# SPDX-License-Identifier: GPL-2.0-only
"""What each observer may see of a process in each state: the table, as a rule."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pykmm.linux.mm_types import MMF_UNSTABLE
from pykmm.syscalls import process_mrelease

SOURCE = Path(__file__).parents[2] / "docs" / "reference" / "states.py"

#: The columns of the page, but the second; ``1+`` and ``0+`` are at least so many.
#: Flags that say how the memory came about, or who was told, are no matter here. S7L
#: has a structure, because a thread borrows it as long as it is on a processor.
TABLE = """
S0   set      1+ 1+ 1+ -             number only  -ESRCH  not visited   -
S1   set      1+ 1+ 1+ -             yes          -EINVAL candidate     -
S1v  set      2+ 1+ 1+ -             yes          -EINVAL no candidate  -
S1a  set      1+ 1+ 1+ -             yes          -EINVAL no candidate  -
S2   set      1+ 1+ 1+ -             yes          works   candidate     aborts
S2c  set      1+ 1+ 1+ -             yes          -EINVAL candidate     -
S2x  set      2+ 1+ 1+ -             yes          -EINVAL candidate     aborts
S2r  set      1+ 1+ 0  SKIP,UNSTABLE yes          nothing passed over   -
S2g  set      1+ 1+ 1+ SKIP          yes          nothing passed over   -
S3   thread   1+ 1+ 1+ -             yes          -EINVAL candidate     -
S4'  None     1+ 1+ 1+ -             yes          -ESRCH  no candidate  aborts
S4   None     0  1+ 0+ -             yes          -ESRCH  no candidate  aborts
S5   None     0  0+ 0  SKIP          yes          -ESRCH  no candidate  passed over
S6   None     0  0  0  SKIP          yes          -ESRCH  no candidate  passed over
S7   None     -  -  -  -             yes          -ESRCH  no candidate  passed over
S7L  None     0  0  0  SKIP          yes          -ESRCH  no candidate  -
S8   None     -  -  -  -             no           -ESRCH  not visited   -
S9   -        -  -  -  -             no           -ESRCH  not visited   -
"""

_IGNORED = {"MULTIPROCESS", "REAP_QUEUED"}


@pytest.fixture(scope="module")
def states() -> ModuleType:
    spec = importlib.util.spec_from_file_location("process_states", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rule(state: str) -> list[str]:
    """Return the row of the table: nine words, some of which hold a space."""
    line = next(x for x in TABLE.splitlines() if x.split()[:1] == [state])
    cuts = (5, 14, 17, 20, 23, 37, 50, 58, 72)
    ends = (*cuts[1:], len(line))
    return [line[a:b].strip() for a, b in zip(cuts, ends, strict=True)]


def allows(rule: str, seen: str) -> bool:
    if rule.endswith("+"):
        return seen.isdecimal() and int(seen) >= int(rule[:-1])
    return rule == seen


NAMES = [line.split()[0] for line in TABLE.split("\n") if line]


def test_the_table_has_every_state(states: ModuleType) -> None:
    assert [name for name, *_ in states.STATES] == NAMES


@pytest.mark.parametrize("state", NAMES)
def test_what_each_observer_sees(state: str, states: ModuleType) -> None:
    mm, users, vmas, pages, flags, pid, mrelease, scan, victim = rule(state)
    seen = {name: states.staged(state, look) for name, look in states.OBSERVERS.items()}
    assert seen["task.mm"] == {"thread": "None, of a thread: set"}.get(mm, mm)
    assert allows(users, seen["mm_users"])
    assert allows(vmas, seen["VMAs"])
    assert allows(pages, seen["pages"])
    wanted = {*flags.replace("-", "").split(",")} - {""}
    assert {*seen["flags"].replace("-", "").split()} - _IGNORED == wanted
    assert seen["pid visible"] == pid
    answers = {"works": "0, 16 pages", "nothing": "0, 0 pages"}
    assert seen["mrelease"].partition(" (")[0] == answers.get(mrelease, mrelease)
    assert seen["scan"] == scan
    if victim != "-":
        assert states.staged(state, states.scan, victim=True) == victim


@pytest.mark.parametrize(
    ("state", "brings"),
    [
        ("S2", "16 pages"),
        ("S4'", "16 pages"),
        ("S4", "16 pages"),
        ("S2r", "leaves"),
        ("S5", "leaves"),
        ("S6", "leaves"),
        ("S7", "leaves"),
    ],
)
def test_where_the_reaper_works(state: str, brings: str, states: ModuleType) -> None:
    assert states.staged(state, states.reap, victim=state != "S2r") == brings


def test_a_release_marks_the_memory_and_can_be_repeated(states: ModuleType) -> None:
    def twice(scene) -> str:  # type: ignore[no-untyped-def]  # of a module by path
        answers = [scene.watcher.call(process_mrelease, scene.fd, 0) for _ in range(2)]
        return f"{answers} {scene.mm.flags._has(MMF_UNSTABLE)}"

    assert states.staged("S2", twice) == "[0, 0] True"


def test_of_a_vfork_the_parent_is_chosen(states: ModuleType) -> None:
    def parent(scene) -> str:  # type: ignore[no-untyped-def]  # of a module by path
        scene.task = states._app(scene).task
        return str(states.scan(scene))

    assert states.staged("S1v", parent) == "candidate"


def test_a_kill_ends_the_dump(states: ModuleType) -> None:
    def kill_it(scene) -> str:  # type: ignore[no-untyped-def]  # of a module by path
        scene.watcher.call(states._kill_for_memory, scene.task)
        scene.m.run()
        return str(states.shown(scene))

    assert states.staged("S2c", kill_it) == "None"
