# SPDX-License-Identifier: GPL-2.0-only
"""Whatever a logger puts before a kernel message, the message comes out whole."""

from __future__ import annotations

import pytest

from pykmm.report.lines import message, read_lines

PREFIXES = [
    "",
    "[    5.323675] ",
    "[    5.323675][  T123] ",
    "[    5.323675] [    T1] ",
    "[    5.323675 <    0.000123>] ",
    "[Tue Nov 23 04:05:00 2021] ",
    "[Nov23 04:05] ",
    "[  +0.000012] ",
    "<4>",
    "<4>[    5.323675] ",
    "kern  :warn  : [    5.323675] ",
    "kern  :info  : [Tue Nov  3 04:05:00 2021] ",
    "2021-11-23T04:05:00,123456+00:00 ",
    "Nov 23 04:05:00 host kernel: ",
    "Nov  3 04:05:00 host kernel: [    5.323675] ",
    "Nov 23 04:05:00.123456 host kernel: ",
    "Nov 23 2021 04:05:00 host kernel: [1.2] ",
    "2021-11-23T04:05:00+0000 host kernel: ",
    "2021-11-23T04:05:00.123456+00:00 my-host.example kernel: [    5.323675] ",
    "2021-11-23 04:05:00 host kernel: ",
    "Tue 2021-11-23 04:05:00 UTC host kernel: ",
    "[    5.323675] host kernel: ",
    "1637640300.123456 host kernel: ",
    "kernel: ",
    "6,1234,5678901234,-;",
    "6,1234,5678901234,-,caller=T12;",
    "> ",
    "> > [    5.323675] ",
    "    [    5.323675] ",
    "\x1b[32m[    5.323675] \x1b[0m",
]
MESSAGES = [
    "Out of memory: Killed process 1 (x) total-vm:1kB",
    "[  147]     0   147    22065    21938      52        0             0 w85",
    "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name",
    "oom_reaper: reaped process 1 (x), now anon-rss:0kB",
    "kworker/0:2 invoked oom-killer: gfp_mask=0x1",
    "(sd-pam) invoked oom-killer: gfp_mask=0x1",
    "host kernel talk",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("text", MESSAGES)
def test_message_without_prefix(prefix: str, text: str) -> None:
    found = message(prefix + text)
    assert found is not None
    assert found[0] == text


def test_stamp_is_kept() -> None:
    assert message("Nov 23 04:05:00 h kernel: [ 12.5] x") == ("x", 12.5)
    assert message("[Tue Nov 23 04:05:00 2021] x") == ("x", None)


def test_row_is_no_stamp() -> None:
    assert message("[  147]     0") == ("[  147]     0", None)


def test_other_programs_are_left_out() -> None:
    line = "Nov 23 04:05:00 host systemd[1]: a process was killed by the OOM killer."
    assert message(line) is None


def test_lines_are_numbered_as_in_the_file() -> None:
    text = "\ufeff[ 1.0] a\r\nNov 23 04:05:00 host sshd[7]: b\n\n[ 2.0] c"
    assert [(line.number, line.text, line.stamp) for line in read_lines(text)] == [
        (1, "a", 1.0),
        (3, "", None),
        (4, "c", 2.0),
    ]


def test_endless_prefix_ends() -> None:
    found = message("[ 1.0] " * 1000 + "x")
    assert found is not None
    assert found[0].endswith("x")
