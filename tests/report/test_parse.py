# SPDX-License-Identifier: GPL-2.0-only
"""Reports are collected from logs that hold other things as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.report.parse import parse

MakeReport = Callable[..., str]

NAMES = [
    "plain",
    "two words",
    "(sd-pam)",
    "a) total-vm:9kB",
    "x,pid=7,uid=0",
    "k=v, w=z",
    "tab\there",
    "[  12] 3",
    "uml\u00e4ut",
    "",
    " lead",
]


@pytest.mark.parametrize("comm", NAMES)
def test_any_name_is_read(make_report: MakeReport, comm: str) -> None:
    (report,) = parse(make_report([(7, comm, 5, 0), (8, "b", 6, 0)], 7)).reports
    assert report.rows[0].comm == comm
    assert report.kills[0].pid == 7
    assert report.kills[0].comm == comm
    assert report.summary is not None
    assert (report.summary.pid, report.summary.uid) == (7, 1000)


def test_header_of_every_era() -> None:
    forms = [
        "a b invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=5",
        "a b invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=5",
        "a b invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), order=0, "
        "oom_score_adj=5",
        "a b invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), nodemask=0-1,3, "
        "order=0, oom_score_adj=5",
        "a b invoked oom-killer: gfp_mask=0x14000c0(A|B), nodemask=(null),  "
        "order=0, oom_score_adj=5",
        "a b invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=5",
    ]
    for form in forms:
        header = parse(form).reports[0].header
        assert header is not None
        assert (header.comm, header.order, header.oom_score_adj) == ("a b", 0, 5)


def test_release_and_invoker() -> None:
    head = "x invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n"
    lines = {
        "CPU: 1 PID: 42 Comm: x y Tainted: G  W  OE 5.4.0-42-generic #46-Ubuntu": (
            42,
            "5.4.0-42-generic",
        ),
        "Pid: 42, comm: x Not tainted 2.6.32-642.el6.x86_64 #1": (
            42,
            "2.6.32-642.el6.x86_64",
        ),
        "CPU: 0 UID: 0 PID: 42 Comm: x Not tainted 6.12.1+deb12 #1  Debian": (
            42,
            "6.12.1+deb12",
        ),
    }
    for line, expected in lines.items():
        (report,) = parse(head + line).reports
        assert (report.invoker_pid, report.kernel) == expected


def test_kill_lines_of_every_era() -> None:
    head = "x invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n"
    forms = [
        "Killed process 9 (a) total-vm:8kB, anon-rss:4kB, file-rss:0kB",
        "Killed process 9 (a) vsz:8kB, anon-rss:4kB, file-rss:0kB",
        "Killed process 9, UID 7, (a) total-vm:8kB, anon-rss:4kB, file-rss:0kB",
        "Killed process 9 (a) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB",
        "Memory cgroup out of memory: Killed process 9 (a) total-vm:8kB, "
        "anon-rss:4kB, file-rss:0kB, shmem-rss:0kB",
        "Out of memory: Killed process 9 (a) total-vm:8kB, anon-rss:4kB, "
        "file-rss:0kB, shmem-rss:0kB, UID:7 pgtables:12kB oom_score_adj:-3",
    ]
    for form in forms:
        (kill,) = parse(head + form).reports[0].kills
        assert (kill.pid, kill.comm, kill.total_vm_kib) == (9, "a", 8)
    assert (kill.uid, kill.pgtables_kib, kill.oom_score_adj) == (7, 12, -3)


def test_score_line_names_the_chosen_task(make_report: MakeReport) -> None:
    text = make_report(
        [(7, "parent", 5, 0)],
        old=True,
        tail=[
            "Out of memory: Kill process 7 (parent) score 5 or sacrifice child",
            "Killed process 8 (child) total-vm:8kB, anon-rss:4kB, file-rss:0kB",
        ],
    )
    (report,) = parse(text).reports
    assert report.score is not None
    assert (report.score.pid, report.score.score) == (7, 5)
    assert report.kills[0].pid == 8


def test_several_reports(make_report: MakeReport) -> None:
    one = make_report([(7, "a", 5, 0)], 7)
    two = make_report([(8, "b", 5, 0)], 8)
    reports = parse(one + "noise\n" + two).reports
    assert [report.kills[0].pid for report in reports] == [7, 8]
    assert reports[0].last_line < reports[1].line


def test_reports_without_header(make_report: MakeReport) -> None:
    def beheaded(pid: int) -> str:
        return make_report([(pid, "a", 5, 0)], pid).split("\n", 2)[2]

    reports = parse(beheaded(7) + beheaded(8)).reports
    assert [(r.header, r.kills[0].pid) for r in reports] == [(None, 7), (None, 8)]
    assert [r.memory.ram_pages for r in reports] == [1_000_000, 1_000_000]


def test_torn_summary_is_mended(make_report: MakeReport) -> None:
    text = make_report([(7, "a", 5, 0)], 7).replace(
        ",cpuset=/", "\n[noise of another CPU\n,cpuset=/"
    )
    summary = parse(text).reports[0].summary
    assert summary is not None
    assert (summary.constraint, summary.cpuset, summary.pid) == (
        "CONSTRAINT_NONE",
        "/",
        7,
    )


def test_summary_without_cpuset_and_memcg(make_report: MakeReport) -> None:
    text = make_report([(7, "a", 5, 0)], 7)
    text = text.replace(",cpuset=/,mems_allowed=0,global_oom,task_memcg=/", "")
    summary = parse(text).reports[0].summary
    assert summary is not None
    assert (summary.nodemask, summary.cpuset, summary.pid) == ("(null)", None, 7)


def test_victims_failing_allocation_stays_with_its_report(
    make_report: MakeReport,
) -> None:
    tail = [
        "a: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)",
        "Mem-Info:",
        "5 pages RAM",
        "oom_reaper: reaped process 7 (a), now anon-rss:0kB, file-rss:0kB",
    ]
    (report,) = parse(make_report([(7, "a", 5, 0)], 7, tail=tail)).reports
    assert report.memory.ram_pages == 1_000_000
    assert report.reaped == (7,)


def test_new_boot(make_report: MakeReport) -> None:
    text = make_report([(7, "a", 5, 0)], 7)
    stamped = "".join(f"[ {n}.0] {line}\n" for n, line in enumerate(text.split("\n")))
    assert [r.boot for r in parse(stamped + stamped).reports] == [0, 1]
    banner = "Linux version 6.1.9 (x@y) #1 SMP\n"
    reports = parse(text + banner + make_report([(7, "a", 5, 0)], 7, release=None))
    assert [(r.boot, r.kernel) for r in reports.reports] == [
        (0, "6.12.0"),
        (1, "6.1.9"),
    ]


def test_copied_rows_count_once(make_report: MakeReport) -> None:
    text = make_report([(7, "a", 5, 0), (8, "b", 6, 0)], 7)
    lines = text.split("\n")
    doubled = "\n".join(line for line in lines for _ in range(2))
    assert len(parse(doubled).reports[-1].rows) == 2


def test_mangled_rows_are_counted(make_report: MakeReport) -> None:
    text = make_report([(7, "a", 5, 0), (8, "b", 6, 0)], 7)
    (report,) = parse(text.replace("1000     8", "10#0     8")).reports
    assert (len(report.rows), report.unreadable_rows) == (1, 1)


def test_page_size() -> None:
    free_list = "Node 0 Normal: 3*64kB (U) 0*128kB = 192kB\n"
    head = "x invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n"
    assert parse(head + free_list).reports[0].page_kib == 64
    assert parse(head).reports[0].page_kib == 4


def test_page_size_from_kill_line(make_report: MakeReport) -> None:
    text = make_report([(7, "a", 5, 0)], 7).replace("total-vm:8kB", "total-vm:640kB")
    assert parse(text).reports[0].page_kib == 64


def test_digits_without_end() -> None:
    head = "x invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n"
    (report,) = parse(head + "9" * 5000 + " pages RAM\n").reports
    assert report.memory.ram_pages is None
