# SPDX-License-Identifier: GPL-2.0-only
"""A seed finds the same whenever it is given, and what it finds can be pasted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAULTY = """
from pykmm.patches.bugs import BUGS
from pykmm.stateful import *


class Faulty(RacingCallOrders):
    patches = (BUGS["mrelease-no-mmgrab"],)

"""
FOUND_BY_FUZZ = f"{FAULTY}\ndef test_fuzz():\n    fuzz(Faulty)\n"
FOUND_BY_TEST_CASE = f"{FAULTY}\nTestFaulty = Faulty.TestCase\n"


def output_of_pytest(folder: Path, text: str, seed: int = 0) -> str:
    """Run pytest on a file of its own, and return all but how long that took."""
    file = folder / "test_story.py"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", f"--hypothesis-seed={seed}"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", file.name]
    run = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    return re.sub(r"in \d+\.\d+s", "in no time", run.stdout)


def report_in(output: str) -> str:
    """Return the report in what pytest printed, without pytest's margin."""
    lines = [line.removeprefix("E").strip() for line in output.splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith("BUG: "))
    last = lines.index("])", first)
    return "\n".join(lines[first : last + 1])


@pytest.mark.slow
@pytest.mark.parametrize("text", [FOUND_BY_FUZZ, FOUND_BY_TEST_CASE])
def test_a_seed_given_twice_prints_the_same(tmp_path: Path, text: str) -> None:
    outputs = [output_of_pytest(tmp_path, text) for _ in range(2)]
    assert outputs[0] == outputs[1]
    assert "0x" not in outputs[0].replace("pte[0x", "")


@pytest.mark.slow
def test_a_failure_that_is_pasted_fails_in_the_same_way(tmp_path: Path) -> None:
    found = report_in(output_of_pytest(tmp_path, FOUND_BY_FUZZ))
    story = found[found.index("replay: ") + len("replay: ") :]
    pasted = f"{FAULTY}\ndef test_pasted():\n    {story}\n"
    assert report_in(output_of_pytest(tmp_path, pasted)) == found
