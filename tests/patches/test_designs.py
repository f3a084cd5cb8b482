# SPDX-License-Identifier: GPL-2.0-only
"""The designs of kill-and-release: what each promises, in every interleaving."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.errno import EBADF, EBUSY, EINVAL
from pykmm.errors import UsageError
from pykmm.linux.mm_types import MM_ANONPAGES
from pykmm.linux.uapi import SIGKILL
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import Patch, apply
from pykmm.runner import Result, explore
from pykmm.scenarios import SCENARIOS
from pykmm.syscalls import kill, pidfd_open, process_mrelease
from pykmm.workbench import Machine, Process

KILL = 1


def call(m: Machine, body: Callable[[], object], uid: int = 0) -> object:
    caller = m.spawn("caller", uid=uid)
    caller.runs(body)
    m.run()
    return caller.result


@pytest.fixture(params=DESIGNS)
def design(request: pytest.FixtureRequest) -> Patch:
    return DESIGNS[request.param]


#: Designs with the flag; every other one refuses all flags.
KILLS = ("B0", "B", "C", "D", "E")
FLAGS = [*(1 << bit for bit in range(32)), 3, 0x5, 0x80000001, 0xFFFFFFFF]


@pytest.fixture(params=KILLS)
def killing(request: pytest.FixtureRequest) -> Patch:
    return DESIGNS[request.param]


def test_flags_are_looked_at_first(design: Patch) -> None:
    """Any unknown bit is -EINVAL before the descriptor is looked at."""
    known = KILL if design.name in KILLS else 0
    with Machine() as m:
        apply(m, [design])

        def every() -> dict[int, int]:
            return {flags: process_mrelease(-1, flags) for flags in (0, *FLAGS)}

        assert call(m, every) == {
            flags: -EINVAL if flags & ~known else -EBADF for flags in (0, *FLAGS)
        }


def test_flags_come_before_who_is_gone_and_who_lives(design: Patch) -> None:
    known = KILL if design.name in KILLS else 0
    bad = [flags for flags in FLAGS if flags & ~known]
    with Machine() as m:
        apply(m, [design])
        app = m.spawn("app", anon="16K")

        def every() -> set[int]:
            fd = pidfd_open(app.pid, 0)
            alive = {process_mrelease(fd, flags) for flags in bad}
            kill(app.pid, SIGKILL)
            return alive | {process_mrelease(fd, flags) for flags in bad}

        assert call(m, every) == {-EINVAL}


def test_without_the_flag_it_is_the_baseline(design: Patch) -> None:
    with Machine() as m:
        apply(m, [design])
        app = m.spawn("app", anon="16K")
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), 0))
        assert ret == -EINVAL
        assert app.task._death is None


def test_one_call_kills_and_reaps(killing: Patch) -> None:
    """T125, first half: a live sole user gets SIGKILL and is reaped."""
    with Machine() as m:
        apply(m, [killing])
        app = m.spawn("app", anon="16K")
        assert call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), KILL)) == 0
        assert app.task._death is not None


def shared_with_init(m: Machine) -> Process:
    app = m.spawn("app", anon="16K")
    mm, init = app.mm, m.init.task
    assert mm is not None
    with m.as_boot():
        old = init.__dict__["mm"]
        old.mm_users.counter -= 1
        old.mm_count.counter -= 1
        old._free()
        mm.mm_users.counter += 1
        init.mm = mm
    return app


def test_t125_init_shares() -> None:
    """T125, second half: init cannot be killed, so nothing is reaped."""
    with Machine() as m:
        apply(m, [DESIGNS["E"]])
        app = shared_with_init(m)
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), KILL))
        assert ret == -EBUSY
        mm = m.init.mm
        assert mm is not None
        assert mm.rss_stat[MM_ANONPAGES].counter == 4
        # What was signalled stays killed.
        assert app.task._death is not None


def test_without_permission_nobody_dies(killing: Patch) -> None:
    with Machine() as m:
        apply(m, [killing])
        app = m.spawn("app", anon="16K", uid=1000)
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), KILL), uid=1001)
        assert ret is not None
        assert isinstance(ret, int)
        assert ret < 0
        assert app.task._death is None


@pytest.mark.parametrize("name", ["B", "C"])
def test_a_living_sharer_is_refused_by_the_first_designs(name: str) -> None:
    with Machine() as m:
        apply(m, [DESIGNS[name]])
        app = m.spawn("app", anon="16K")
        friend = m.spawn("friend", shares_mm=app)
        ret = call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), KILL))
        assert ret == -EINVAL
        assert app.task._death is None
        assert friend.task._death is None


def test_sharers_die_with_the_third() -> None:
    with Machine() as m:
        apply(m, [DESIGNS["E"]])
        app = m.spawn("app", anon="16K")
        friend = m.spawn("friend", shares_mm=app)
        assert call(m, lambda: process_mrelease(pidfd_open(app.pid, 0), KILL)) == 0
        assert app.task._death is not None
        assert friend.task._death is not None


def explored(name: str) -> Result:
    return explore(SCENARIOS["reap-kill"].but(patches=(DESIGNS[name],)))


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLS)
def test_no_interleaving_strands_memory(name: str) -> None:
    """The seed's question, for a victim that was alive when the call began."""
    result = explored(name)
    assert result.complete
    assert result.reports == ()
    assert {repr(o.value) for o in result.outcomes} == {"0, nothing is left"}


def test_the_baseline_refuses_the_flag() -> None:
    result = explore(SCENARIOS["reap-kill"])
    assert [o.value.ret for o in result.outcomes] == [-EINVAL]


def test_designs_do_not_compose() -> None:
    with Machine() as m:
        with pytest.raises(UsageError, match="which another patch replaces already"):
            apply(m, [DESIGNS["B"], DESIGNS["C"]])


def test_what_is_no_kernel_function_cannot_be_replaced() -> None:
    patch = Patch("p", kind="bug", summary="", origin="here")
    with pytest.raises(UsageError, match="len\\(\\) cannot be replaced"):
        patch.replaces(len)
