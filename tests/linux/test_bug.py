# SPDX-License-Identifier: GPL-2.0-only
"""Bugs, warnings and panics."""

from __future__ import annotations

import pytest

from pykmm.engine.annotate import original
from pykmm.errors import KernelBug, KernelPanic, KernelWarning
from pykmm.linux import bug


def test_false_conditions_say_nothing(machine):
    bug.BUG_ON(False, "no")
    assert bug.WARN_ON(0, "no") is False
    assert bug.WARN_ON_ONCE(None, "no") is False


def test_true_conditions_stop_the_machine(lab):
    for call, kind, said in (
        (lambda: bug.BUG_ON(1, "mm is gone"), KernelBug, "kernel BUG: mm is gone"),
        (lambda: bug.WARN_ON(1, "odd"), KernelWarning, "WARNING: odd"),
        (lambda: bug.WARN_ON_ONCE(1, "odd"), KernelWarning, "WARNING: odd"),
        (
            lambda: bug.panic("out of memory"),
            KernelPanic,
            "Kernel panic - not syncing: out of memory",
        ),
    ):
        with lab.machine(0) as m:
            m.thread("t", call)
            with pytest.raises(kind, match=said):
                m.run()


def test_warnings_can_be_made_harmless(machine):
    log = []
    machine.patches[original(getattr(bug, "__warn"))] = log.append
    assert bug.WARN_ON(1, "odd") is True
    assert bug.WARN_ON(1, "odd") is True
    assert bug.WARN_ON_ONCE(1, "once") is True
    assert bug.WARN_ON_ONCE(1, "once") is True
    assert bug.WARN_ON_ONCE(1, "another") is True
    assert log == ["odd", "odd", "once", "another"]
