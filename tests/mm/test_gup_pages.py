# SPDX-License-Identifier: GPL-2.0-only
"""Getting hold of pages, once and again."""

from __future__ import annotations

import pytest

from pykmm import Machine
from pykmm.engine import Config, Timers
from pykmm.linux.uapi_mman import PROT_READ
from pykmm.mm._conservation import _books
from pykmm.syscalls import fork, getpid, mmap, mprotect, process_vm_readv, touch

PAGE = 4096


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("forked", [False, True])
def test_pages_that_were_pinned_can_be_pinned_again(
    readonly: bool, forked: bool
) -> None:
    """A page keeps the name under which it was pinned, and is no less its owner's."""
    with Machine(Config(timers=Timers.IDLE), max_steps=5000) as m:
        app = m.spawn("app")

        @app.runs
        def _() -> object:
            source, into = mmap(2 * PAGE), mmap(2 * PAGE)
            touch(source, 2 * PAGE)
            if readonly:
                mprotect(source, 2 * PAGE, PROT_READ)
            if forked:
                fork()
            parts = [(into, 2 * PAGE)], [(source, 2 * PAGE)]
            return [process_vm_readv(getpid(), *parts, 0) for _ in range(3)]

        m.run()
        assert app.result == [2 * PAGE] * 3
        assert _books() == []


def test_a_page_that_fork_shares_is_not_pinned_for_both() -> None:
    """Whoever pins it gets a copy first, so the pin is of that address space's page."""
    with Machine(Config(timers=Timers.IDLE), max_steps=5000) as m:
        app = m.spawn("app")

        @app.runs
        def _() -> object:
            source, into = mmap(PAGE), mmap(PAGE)
            touch(source, PAGE)
            child = fork()
            return process_vm_readv(child, [(into, PAGE)], [(source, PAGE)], 0)

        m.run()
        assert app.result == PAGE
        tables = [t for x in m.tasks() for t in _tables_of(x.__dict__["mm"])]
        assert not any(folios.maps[1:] for t in tables for folios, _, _ in t.shared)


def _tables_of(mm: object) -> list[object]:
    return list(mm.pgd.values()) if mm is not None else []  # type: ignore[attr-defined]
