# SPDX-License-Identifier: GPL-2.0-only
"""What a reap would bring, as far as the reader may look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pykmm.predict.parse import Memory
from pykmm.predict.reap import Reap, foresee_reap
from pykmm.predict.snapshot import open_proc

Write = Callable[..., Path]

MEMORY = Memory(size=99_999, anon=4000, file=400, shmem=40, swap=8, tables=12)


@pytest.fixture
def reap(write: Write) -> Callable[..., Reap]:
    """Foresee the reap of process 5, of which these files can be read."""

    def reaped(**files: str) -> Reap:
        lines = [f"file 5/{name} {text!r}" for name, text in files.items()]
        proc = write("\n".join(["file 5/comm 'x'", *lines]))
        with open_proc(str(proc)) as folder:
            return foresee_reap(folder, 5, MEMORY)

    return reaped


def mapping(
    perms: str,
    rss: int,
    *,
    anon: int = 0,
    alone: tuple[int, int] = (0, 0),
    swap: int = 0,
    flags: str | None = "rd wr mr mw me",
) -> str:
    """Write one mapping as smaps shows it."""
    text = (
        f"7f00-7f01 {perms} 00000000 08:01 99    /a file: 5 kB\n"
        f"Size:   99999 kB\nRss:     {rss} kB\nPss:       1 kB\n"
        f"Shared_Clean:   7 kB\nPrivate_Clean:   {alone[0]} kB\n"
        f"Private_Dirty:   {alone[1]} kB\nAnonymous:   {anon} kB\n"
        f"AnonHugePages:   5 kB\nSwap:   {swap} kB\nSwapPss:  1 kB\n"
    )
    return text + ("" if flags is None else f"VmFlags: {flags} \n")


Foresee = Callable[..., Reap]


def test_private_mappings_are_reaped(reap: Foresee) -> None:
    smaps = (
        mapping("r-xp", 200, alone=(200, 0))
        + mapping("rw-p", 1000, anon=1000, alone=(0, 900), swap=16)
        + mapping("rw-p", 80, anon=20, alone=(60, 20))
    )
    assert reap(smaps=smaps) == Reap(
        source="smaps",
        anon=1020,
        alone=920,
        file=260,
        swap=16,
        kept=0,
        tables=12,
    )


def test_shared_mappings_are_kept(reap: Foresee) -> None:
    found = reap(smaps=mapping("rw-s", 400, swap=12, flags="rd wr sh mr mw me ms"))
    assert (found.anon, found.file, found.swap, found.kept) == (0, 0, 0, 400)


def test_a_shared_mapping_of_a_file_that_is_only_read_is_none(reap: Foresee) -> None:
    # The kernel drops VM_SHARED where the file was not opened for writing.
    assert reap(smaps=mapping("r--s", 400, flags="rd mr me ms")).file == 400


def test_permissions_decide_where_flags_are_not_shown(reap: Foresee) -> None:
    smaps = mapping("r--s", 400, flags=None) + mapping("r--p", 80, flags=None)
    found = reap(smaps=smaps)
    assert (found.kept, found.file) == (400, 80)


@pytest.mark.parametrize("flag", ["ht", "pf"])
def test_special_mappings_are_kept(reap: Foresee, flag: str) -> None:
    assert reap(smaps=mapping("rw-p", 400, flags=f"rd wr {flag}")).kept == 400


def test_a_rollup_knows_who_is_alone_but_no_mappings(reap: Foresee) -> None:
    rollup = mapping("---p", 4440, anon=3900, alone=(100, 3000), swap=4, flags=None)
    assert reap(smaps_rollup=rollup) == Reap(
        source="smaps_rollup",
        anon=3900,
        alone=3100,
        file=400,
        swap=8,
        kept=40,
        tables=12,
    )


def test_counters_bound_the_answer_for_who_may_not_look(reap: Foresee) -> None:
    found = reap()
    assert found == Reap("status", 4000, 4000, 400, 8, 40, 12)
    assert not found.is_exact


@pytest.mark.parametrize("smaps", ["", "nonsense\n", "Rss: 5 kB\n"])
def test_no_mappings_are_no_answer(reap: Foresee, smaps: str) -> None:
    assert reap(smaps=smaps).source == "status"


def test_who_has_vanished_has_left_counters(write: Write) -> None:
    with open_proc(str(write("file 5/comm 'x'"))) as folder:
        assert foresee_reap(folder, 6, MEMORY).source == "status"


@pytest.mark.slow
def test_large_processes_are_quick(reap: Foresee) -> None:
    size = 64 << 20  # 64 GiB
    found = reap(smaps=mapping("rw-p", size, anon=size, alone=(0, size)))
    assert (found.anon, found.alone) == (size, size)


def test_a_process_without_pages_has_nothing_to_reap(reap: Foresee) -> None:
    found = reap(smaps=mapping("rw-p", 0))
    assert (found.anon, found.file, found.kept) == (0, 0, 0)
