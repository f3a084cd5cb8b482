# SPDX-License-Identifier: GPL-2.0-only
"""The example for porters: a wrong port is found out, and a right one agrees."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "examples" / "port" / "badness.c"
CC = shutil.which("cc") or shutil.which("gcc") or ""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CC, reason="there is no C compiler"),
]


def check(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "badness"
    flags = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", *options)
    subprocess.run([CC, *flags, "-o", str(program), str(SOURCE)], check=True)
    return subprocess.run(
        [str(program), f"{sys.executable} -m pykmm oracle"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wrong_port_is_told_where_it_differs(tmp_path: Path) -> None:
    found = check(tmp_path)
    assert found.returncode == 1, found.stderr
    first, last = found.stdout.splitlines()
    assert first == (
        "first difference, world 0: oom_score_adj -356 of 767093 pages: "
        "the port says -184821, Linux -184788"
    )
    assert last == "3 of 200 worlds agree"


def test_the_right_port_agrees_and_leaves_nothing_behind(tmp_path: Path) -> None:
    found = check(tmp_path, "-DFIXED")
    assert (found.returncode, found.stdout) == (0, "200 of 200 worlds agree\n")
    assert [path.name for path in tmp_path.iterdir()] == ["badness"]
