# SPDX-License-Identifier: GPL-2.0-only
"""Run the command line, in this process or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from pykmm.__main__ import main

ROOT = Path(__file__).parents[2]


@frozen
class Answer:
    """What a call printed, and its exit status."""

    status: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Call the command line in this process."""

    def call(*argv: str) -> Answer:
        status = main(list(argv))
        out, err = capsys.readouterr()
        return Answer(status, out, err)

    return call


@pytest.fixture
def process() -> Cli:
    """Call the command line as ``python -m pykmm``."""

    def call(*argv: str, stdin: bytes = b"", **environment: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "pykmm", *argv],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=ROOT,
            env={"PATH": "", **environment},
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


def mistake(answer: Answer) -> str:
    """Return the one line that tells of a mistake; fail if there is more."""
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("pykmm: ")
    assert "Traceback" not in answer.err
    return answer.err


@pytest.fixture(name="mistake")
def _mistake() -> Callable[[Answer], str]:
    """Give tests the check of an answer to a wrong call."""
    return mistake
