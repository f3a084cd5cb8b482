# SPDX-License-Identifier: GPL-2.0-only
"""What the page tables allow after mprotect()."""

from __future__ import annotations

import pytest

from pykmm import Machine
from pykmm.linux.sched import current
from pykmm.linux.uapi import SIGSEGV
from pykmm.linux.uapi_mman import PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE
from pykmm.syscalls import mmap, mprotect, touch

PAGE = 4096
RW = PROT_READ | PROT_WRITE


@pytest.mark.parametrize(
    ("prot", "write", "survives"),
    [
        (PROT_NONE, False, False),
        (PROT_NONE, True, False),
        (PROT_READ, False, True),
        (PROT_READ, True, False),
        (PROT_EXEC, False, True),
        (RW, True, True),
    ],
)
def test_pages_that_are_there_allow_no_more_than_their_mapping(
    prot: int, write: bool, survives: bool
) -> None:
    with Machine() as m:
        p = m.spawn("app")

        @p.runs
        def _() -> str:
            at = mmap(4 * PAGE)
            touch(at, 4 * PAGE)
            mprotect(at + PAGE, PAGE, prot)
            touch(at, PAGE)
            touch(at + PAGE, PAGE, write=write)
            return "alive"

        m.run()
        assert (p.result == "alive") is survives
        if not survives:
            assert p.task.__dict__["exit_code"] & 0x7F == SIGSEGV


def test_what_was_forbidden_is_allowed_again_without_loss() -> None:
    with Machine() as m:
        p = m.spawn("app")

        @p.runs
        def _() -> object:
            mm = current().mm
            assert mm is not None
            at = mmap(2 * PAGE)
            touch(at, 2 * PAGE)
            for prot in (PROT_NONE, PROT_READ, RW):
                mprotect(at, 2 * PAGE, prot)
            touch(at, 2 * PAGE)
            (table,) = mm.pgd.values()
            return mm.rss_stat[1].counter, table.readonly, table.protnone

        m.run()
        assert p.result == (2, 0, 0)
