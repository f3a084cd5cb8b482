# SPDX-License-Identifier: GPL-2.0-only
"""Two threads that change one address space."""

from __future__ import annotations

from pykmm import Machine, explore
from pykmm.linux.mm_types import mm_struct
from pykmm.linux.uapi_mman import PROT_READ
from pykmm.mm.mmap_sys import ksys_mmap_pgoff, munmap
from pykmm.mm.mprotect import mprotect
from tests.lifecycle._memory import ANON, FIXED, PAGE, RW, A, vmas


def two(m: Machine, first: object, second: object) -> mm_struct:
    """Let two users of one address space make a call each."""
    app = m.spawn("app")
    other = m.spawn("other", shares_mm=app)
    app.runs(first)  # type: ignore[type-var]  # a program
    other.runs(second)  # type: ignore[type-var]
    m.run()
    assert app.mm is not None
    return app.mm


def test_two_that_map_never_get_the_same_addresses() -> None:
    def scenario(m: Machine) -> object:
        got: list[int] = []

        def program() -> None:
            got.append(ksys_mmap_pgoff(0, PAGE, RW, ANON, -1, 0))

        mm = two(m, program, program)
        low, high = sorted(got)
        return high - low == PAGE, len(vmas(mm))

    result = explore(scenario)
    assert result.complete
    assert {o.value for o in result.outcomes} == {(True, 1)}


def test_unmapping_and_protecting_the_same_memory() -> None:
    def scenario(m: Machine) -> object:
        ksys = ksys_mmap_pgoff
        got: dict[str, int] = {}

        def first() -> None:
            ksys(A, 4 * PAGE, RW, FIXED, -1, 0)
            got["munmap"] = munmap(A + PAGE, PAGE)

        def second() -> None:
            got["mprotect"] = mprotect(A, 2 * PAGE, PROT_READ)

        mm = two(m, first, second)
        return int(got["mprotect"]), tuple(vmas(mm))

    result = explore(scenario)
    assert result.complete
    apart = ((0, 1, "rwa"), (2, 4, "rwa"))
    changed = ((0, 1, "r"), (2, 4, "rwa"))
    assert {o.value for o in result.outcomes} == {
        (-12, apart),  # nothing was mapped yet
        (0, changed),  # it came between the two
        (-12, changed),  # what comes before the hole was changed
    }
