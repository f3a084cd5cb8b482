# SPDX-License-Identifier: GPL-2.0-only
"""Files of ``/proc``, well-formed and not."""

from __future__ import annotations

import pytest

from pykmm.predict.parse import (
    Memory,
    parse_meminfo,
    parse_number,
    parse_release,
    parse_stat,
    parse_status,
)

#: Fields 3 to 52 of a stat line, numbered so that each is known by its value.
FIELDS = ["S", "4", *(str(number) for number in range(5, 53))]


def stat(comm: bytes, fields: list[str] | None = None) -> bytes:
    return b"7 (" + comm + b") " + " ".join(fields or FIELDS).encode() + b"\n"


def test_stat_gives_the_fields_of_the_manual() -> None:
    found = parse_stat(stat(b"bash"))
    assert (found.comm, found.state, found.ppid) == ("bash", "S", 4)
    assert (found.flags, found.threads, found.start) == (9, 20, 22)
    assert (found.vsize, found.rss) == (23, 24)
    assert found.layout == (26, 27, 28, 45, 46, 47, 48, 49, 50, 51)


@pytest.mark.parametrize(
    ("raw", "comm"),
    [
        (b"a b", "a b"),
        (b"a) S 1 2 3", "a) S 1 2 3"),
        (b"(", "("),
        (b") (", ") ("),
        (b"a\nb", "a\nb"),
        (b"", ""),
        ("größe".encode(), "größe"),
        (b"cut \xc3", "cut \udcc3"),
    ],
)
def test_a_name_may_be_anything(raw: bytes, comm: str) -> None:
    found = parse_stat(stat(raw))
    assert (found.comm, found.state, found.rss) == (comm, "S", 24)


def test_who_may_not_know_sees_no_layout() -> None:
    fields = list(FIELDS)
    fields[23:26] = "1", "1", "0"
    assert parse_stat(stat(b"x", fields)).layout == ()
    assert parse_stat(stat(b"x", FIELDS[:30])).layout == ()


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"7 bash S 4", b"7 (bash", b"bash) S 4", stat(b"x", FIELDS[:21])],
)
def test_a_stat_that_is_none_is_told(raw: bytes) -> None:
    with pytest.raises(ValueError, match="name in brackets with 22 fields behind"):
        parse_stat(raw)


def test_a_field_that_is_no_number_is_told() -> None:
    fields = list(FIELDS)
    fields[21] = "many"
    with pytest.raises(ValueError, match="'many', not a number"):
        parse_stat(stat(b"x", fields))


STATUS = b"""Name:\tUid:\\nVmSize: 5 kB
Uid:\t1000\t0\t0\t0
VmSize:\t   100 kB
VmRSS:\t    60 kB
RssAnon:\t    10 kB
RssFile:\t    20 kB
RssShmem:\t    30 kB
VmPTE:\t    40 kB
VmSwap:\t     5 kB
"""


def test_status_gives_user_and_memory() -> None:
    uid, memory = parse_status(STATUS)
    assert uid == 1000
    assert memory == Memory(size=100, anon=10, file=20, shmem=30, swap=5, tables=40)


def test_old_kernels_show_one_sum_and_two_kinds_of_tables() -> None:
    raw = b"Uid:\t1\nVmSize:\t9 kB\nVmRSS:\t60 kB\nVmPTE:\t4 kB\nVmPMD:\t8 kB\n"
    memory = Memory(size=9, anon=60, file=0, shmem=0, swap=0, tables=12)
    assert parse_status(raw) == (1, memory)


def test_a_status_without_memory_is_one_of_a_kernel_thread() -> None:
    assert parse_status(b"Name:\tx\nUid:\t0\t0\n") == (0, None)


@pytest.mark.parametrize("raw", [b"", b"Name:\tx\n", b"Uid:\tnobody\n"])
def test_a_status_without_user_is_told(raw: bytes) -> None:
    with pytest.raises(ValueError, match="no line Uid:"):
        parse_status(raw)


def test_meminfo_may_show_no_swap() -> None:
    assert parse_meminfo(b"MemTotal:  8 kB\nSwapTotal: 4 kB\n") == (8, 4)
    assert parse_meminfo(b"MemTotal:  8 kB\n") == (8, 0)


@pytest.mark.parametrize("raw", [b"", b"MemTotal: 0 kB\n", b"MemTotal: 8 MB\n"])
def test_a_meminfo_without_memory_is_told(raw: bytes) -> None:
    with pytest.raises(ValueError, match="no line MemTotal:"):
        parse_meminfo(raw)


def test_numbers() -> None:
    assert parse_number(b"-17\n") == -17
    with pytest.raises(ValueError, match=r"it holds 'x.+xff', not a number"):
        parse_number(b"x\xff\n")


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.18.44", (6, 18)),
        ("7.0.0-rc3+", (7, 0)),
        ("10.1", (10, 1)),
        ("next", None),
        ("", None),
    ],
)
def test_release(release: str, version: tuple[int, int] | None) -> None:
    assert parse_release(release) == version
