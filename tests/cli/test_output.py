# SPDX-License-Identifier: GPL-2.0-only
"""Pipes that close, disks that are full, terminals that know little."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pykmm.cli import output
from pykmm.cli.output import Progress

ROOT = Path(__file__).parents[2]
HELP = [sys.executable, "-m", "pykmm", "--version"]


def test_a_reader_that_has_left_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        HELP, stdout=writing, stderr=subprocess.PIPE, check=False, cwd=ROOT
    )
    os.close(writing)
    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            HELP, stdout=full, stderr=subprocess.PIPE, check=False, cwd=ROOT
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"pykmm: standard output cannot be written (")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("closed", "command", "status", "says"),
    [
        ("<&-", "oracle", 0, ""),
        ("<&-", "report -", 2, "pykmm: standard input is empty: pass a kernel log"),
        (">&-", "list", 2, "pykmm: standard output is closed: open it"),
        ("2>&-", "nope", 2, ""),
        (">&- 2>&-", "list", 2, ""),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes files")
def test_a_closed_stream_is_no_traceback(
    closed: str, command: str, status: int, says: str
) -> None:
    line = f'"{sys.executable}" -m pykmm {command} {closed}'
    done = subprocess.run(line, shell=True, capture_output=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (status, b"")
    assert done.stderr.decode().startswith(says)
    assert done.stderr.count(b"\n") == (1 if says else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_where_nobody_can_be_told_the_status_tells() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*HELP[:3], "nope"], stderr=full, check=False, cwd=ROOT)
    assert done.returncode == 2


def test_what_is_left_out_is_no_question_where_letters_are_few() -> None:
    line = [*HELP[:3], "quiz", "mrelease-vs-exit"]
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(line, env=plain, capture_output=True, check=True, cwd=ROOT)
    full = subprocess.run(
        line,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert "…" in full.stdout.decode()
    assert done.stdout.decode() == full.stdout.decode().replace("…", "~")


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """Say that somebody looks at it."""
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make time stand still; the test moves its one entry."""
    now = [100.0]
    monkeypatch.setattr("pykmm.cli.output.time.monotonic", lambda: now[0])
    return now


def test_progress_keeps_quiet_for_two_seconds(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress() as progress:
        progress.say("early")
        clock[0] += 1.9
        progress.say("still early")
    assert terminal.getvalue() == ""


def test_progress_rewrites_one_line_and_cleans_up(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress() as progress:
        clock[0] += 2.1
        progress.say("one")
        progress.say("too soon after one")
        clock[0] += 0.6
        progress.say("two")
    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"


def test_progress_is_off_where_nobody_looks(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress() as progress:
        clock[0] += 60
        progress.say("anybody?")
    assert stream.getvalue() == ""


def test_characters_that_an_encoding_lacks_do_not_stop_the_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.prepare()
    output.show("long names end in … here\n")
    assert raw.getvalue() == b"long names end in ~ here\n"
