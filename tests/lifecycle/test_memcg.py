# SPDX-License-Identifier: GPL-2.0-only
"""Charges against a limit, as the vectors about memory cgroups have them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import Machine
from pykmm.boot import Region
from pykmm.errno import ENOMEM
from pykmm.kernel.exit import do_exit
from pykmm.linux.gfp_types import GFP_KERNEL
from pykmm.linux.memcontrol import mem_cgroup, task_in_memcg_oom
from pykmm.linux.mm import mm_flags_test
from pykmm.linux.mm_types import MMF_OOM_SKIP
from pykmm.linux.printk import console
from pykmm.linux.sched import PF_MEMALLOC, current
from pykmm.linux.uaccess import copy_from_user, copy_to_user
from pykmm.linux.uapi import SIGKILL
from pykmm.mm._conservation import _books
from pykmm.mm.memcontrol import memory_events_show
from pykmm.mm.memcontrol_charge import try_charge_memcg
from pykmm.mm.memcontrol_v1 import mem_cgroup_oom_control_write
from pykmm.mm.memcontrol_v1_limit import mem_cgroup_resize_max
from pykmm.mm.page_counter import page_counter_uncharge
from pykmm.syscalls import kill, pause, touch
from pykmm.workbench import Process
from tests.lifecycle._people import call, oom_kill
from tests.lifecycle.pages_setup import PAGE, boot


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    """A machine in which nothing can be reclaimed; its books balance in the end."""
    with boot(swap=0) as machine:
        yield machine
        assert _books() == []


def _spawn(m: Machine, name: str, memcg: mem_cgroup, **facts: int) -> Process:
    """Spawn a process with one page, and room for more."""
    region = Region("anon", 64 * PAGE, populated=PAGE)
    return m.spawn(name, regions=[region], memcg=memcg, **facts)


def _killed() -> set[str]:
    lines = [line.partition("Killed process ")[2] for line in console().verdicts()]
    return {line.split("(")[1].split(")")[0] for line in lines if line}


def _events(memcg: mem_cgroup) -> dict[str, int]:
    pairs = (line.split() for line in memory_events_show(memcg).splitlines())
    return {name: int(count) for name, count in pairs if count != "0"}


def test_l129_the_last_page_fits_and_the_next_one_kills(m: Machine) -> None:
    box = m.cgroup("box", memory_max=6 * PAGE)
    outside = m.spawn("outside", anon="1M")
    app = _spawn(m, "app", box)
    at = app.memory[0].start
    # A page, and the tables that it took: two more reach the limit.
    assert box.memory.usage == 4
    seen: list[int] = []

    @app.runs
    def _() -> None:
        touch(at + PAGE, PAGE)
        seen.append(box.memory.usage)
        touch(at + 2 * PAGE, PAGE)
        seen.append(box.memory.usage)
        touch(at + 3 * PAGE, PAGE)
        seen.append(box.memory.usage)

    m.run()
    assert seen == [5, 6]
    assert _killed() == {"app"}
    assert outside.mm is not None


def test_l130_who_dies_is_refused_after_one_round(m: Machine) -> None:
    box = m.cgroup("box", memory_max=4 * PAGE)
    app = _spawn(m, "app", box)
    at = app.memory[0].start
    app.runs(lambda: touch(at + PAGE, PAGE))
    app.step_to(inside=try_charge_memcg)
    call(m, "killer", lambda: kill(app.pid, SIGKILL))
    app.step_to(inside=do_exit)
    # The killer counts as having helped, because its caller is dying; then no more.
    assert _events(box) == {"max": 2, "oom": 1}
    assert _killed() == set()
    assert box.memory.usage == 3  # tables outlive the reaper, whom that called
    app.thaw()
    m.run()


def test_l130_who_has_been_reaped_is_refused_at_once(m: Machine) -> None:
    """It stands in a fault meanwhile, before it asks for a page."""
    box = m.cgroup("box", memory_max=4 * PAGE)
    app = _spawn(m, "app", box, oom_score_adj=1000)
    at, mm = app.memory[0].start, app.space
    app.runs(lambda: touch(at + PAGE, PAGE))
    app.step_to(inside=try_charge_memcg)
    oom_kill(m)
    assert mm_flags_test(MMF_OOM_SKIP, mm)
    assert box.memory.usage == 3  # tables outlive a pass
    _spawn(m, "other", box)
    usage, told = box.memory.usage, _events(box)
    assert usage >= 4
    app.step_to(inside=do_exit)
    assert (box.memory.usage, _events(box), _killed()) == (usage, told, {"app"})
    app.thaw()
    m.run()


def test_l130_reclaim_itself_is_let_through(m: Machine) -> None:
    """The flag is set by hand: whoever has it reclaims, and charges nothing meanwhile.

    In Linux some drivers do.
    """
    box = m.cgroup("box", memory_max=4 * PAGE)
    app = _spawn(m, "app", box)

    @app.runs
    def _() -> tuple[int, int]:
        current().flags |= PF_MEMALLOC
        ret = try_charge_memcg(box, GFP_KERNEL, 1)
        usage = box.memory.usage
        page_counter_uncharge(box.memory, 1)
        return ret, usage

    m.run()
    assert app.result == (0, 5)


@pytest.mark.parametrize(
    ("full", "dead"),
    [("D", {"victim", "h", "g"}), ("H", {"victim", "h"})],
)
def test_l132_the_topmost_group_below_the_domain_dies(
    m: Machine, full: str, dead: set[str]
) -> None:
    limit = 24 * PAGE
    d = m.cgroup("D", memory_max=limit if full == "D" else None)
    g = m.cgroup("G", parent=d, oom_group=True)
    h = m.cgroup(
        "H", parent=g, oom_group=True, memory_max=limit if full == "H" else None
    )
    others = [_spawn(m, "h", h), _spawn(m, "g", g), _spawn(m, "d", d)]
    safe = _spawn(m, "safe", h, oom_score_adj=-1000)
    victim = _spawn(m, "victim", h)

    @victim.runs
    def _() -> None:
        touch(victim.memory[0].start, 64 * PAGE)

    m.run()
    assert _killed() == dead
    assert {p.name for p in (*others, victim) if p.mm is None} == dead
    assert safe.mm is not None
    assert m.init.mm is not None


def test_l133_a_fault_waits_where_the_killer_is_off(m: Machine) -> None:
    """There is no file system of cgroups: its files' functions are called instead."""
    box = m.cgroup("box", memory_max=8 * PAGE, legacy=True)
    assert mem_cgroup_oom_control_write(box, 1) == 0
    app = _spawn(m, "app", box)

    @app.runs
    def _() -> str:
        touch(app.memory[0].start, 64 * PAGE)
        return "done"

    m.run()
    assert (app.result, box.under_oom) == (None, 1)
    assert task_in_memcg_oom(app.task)
    admin = m.spawn("admin")
    admin.runs(lambda: mem_cgroup_resize_max(box, 1024))
    m.run()
    assert (app.result, box.under_oom) == ("done", 0)
    assert not task_in_memcg_oom(app.task)


def test_l133_a_system_call_fails_instead(m: Machine) -> None:
    box = m.cgroup("box", memory_max=8 * PAGE, legacy=True)
    assert mem_cgroup_oom_control_write(box, 1) == 0
    app = _spawn(m, "app", box)
    at = app.memory[0].start

    @app.runs
    def _() -> list[int]:
        left = [copy_to_user(at, 16 * PAGE), copy_from_user(at, 5 * PAGE)]
        assert not task_in_memcg_oom(current())
        return left

    m.run()
    # Three tables are charged as well.
    assert app.result == [11 * PAGE, 0]
    assert (_killed(), box.under_oom) == (set(), 0)


def test_l134_a_large_charge_calls_no_killer(m: Machine) -> None:
    box = m.cgroup("box", memory_max=18 * PAGE)
    sleeper = _spawn(m, "sleeper", box)
    sleeper.runs(pause)
    app = m.spawn("app", memcg=box)
    app.runs(lambda: try_charge_memcg(box, GFP_KERNEL, 1 << 4))
    m.run()
    assert app.result == -ENOMEM
    assert (_events(box), _killed()) == ({"max": 1}, set())
