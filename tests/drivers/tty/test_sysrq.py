# SPDX-License-Identifier: GPL-2.0-only
"""Asking by hand: from the keyboard, and through a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import explore
from pykmm.drivers.tty import sysrq
from pykmm.drivers.tty.sysrq import handle_sysrq, write_sysrq_trigger
from pykmm.engine import Config, Timers
from pykmm.errno import EACCES, EFAULT, EINVAL
from pykmm.linux.printk import console
from pykmm.linux.uapi import O_WRONLY, SIGKILL
from pykmm.syscalls import kill, read, write
from pykmm.syscalls import open as open_file
from pykmm.workbench import Machine

ASKED = "sysrq: Manual OOM execution"
HELP = "sysrq: HELP : memory-full-oom-kill(f) "


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine whose timers go off when nobody can do anything."""
    with Machine(Config(timers=Timers.IDLE)) as booted:
        booted.boot_kernel()
        yield booted


@pytest.mark.parametrize(
    ("enabled", "said"),
    [
        (0, []),
        (1, [ASKED]),
        (0x40, [ASKED]),
        (0x80, ["sysrq: This sysrq operation is disabled."]),
    ],
)
def test_the_keyboard_is_asked_for_the_mask(
    machine: Machine, enabled: int, said: list[str]
) -> None:
    sysrq._sysrq().sysrq_enabled = enabled
    handle_sysrq("f")
    assert console().verdicts() == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", []),
        (b"fx", [ASKED]),
        (b"x", [HELP]),
        (b"_xf", [HELP, ASKED]),
        (b"x_f", [HELP]),
    ],
)
def test_the_file_serves_one_request_or_all(
    machine: Machine, text: bytes, said: list[str]
) -> None:
    sysrq._sysrq().sysrq_enabled = 0
    assert write_sysrq_trigger(text) == len(text)
    assert console().verdicts() == said


def test_a_bad_pointer(machine: Machine) -> None:
    assert write_sysrq_trigger(None) == -EFAULT


def test_only_root_may_and_nobody_can_read(machine: Machine) -> None:
    root, nobody = machine.spawn("root"), machine.spawn("nobody", uid=7)
    path = "/proc/sysrq-trigger"
    root.runs(lambda: (read(open_file(path)), write(open_file(path, O_WRONLY), "x")))
    nobody.runs(lambda: open_file(path, O_WRONLY))
    machine.run()
    assert root.result == (-EINVAL, 1)
    assert nobody.result == -EACCES


def moom_vs_exit(m: Machine) -> object:
    """One process that is being killed, and a request for somebody's death."""
    app = m.spawn("app", anon="4K")
    m.spawn("other", oom_score_adj=-1000)
    asker, killer = m.spawn("asker", oom_score_adj=-1000), m.spawn("killer")
    killer.task.signal.oom_score_adj = -1000
    asker.runs(lambda: handle_sysrq("f"))
    killer.runs(lambda: kill(app.pid, SIGKILL))
    m.run()
    with m.as_boot():
        killed = any("Killed process" in line for line in console().verdicts())
        ignored = any("request ignored" in line for line in console().verdicts())
    return "killed" if killed else "ignored" if ignored else "silent"


def test_a_request_that_meets_an_exit() -> None:
    result = explore(moom_vs_exit, scheduler="random", executions=60)
    assert not result.reports
    assert {repr(value) for value in result.values} <= {
        "'killed'",
        "'ignored'",
        "'silent'",
    }
