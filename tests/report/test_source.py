# SPDX-License-Identifier: GPL-2.0-only
"""Logs are read whatever they hold, and what cannot be read is one sentence."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from pykmm.errors import UsageError
from pykmm.report import read_log


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"caf\xe9 invoked\n")
    assert read_log(str(path)) == "caf\N{REPLACEMENT CHARACTER} invoked\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "log"
    path.write_bytes("\ufeffok".encode(encoding))
    assert read_log(str(path)) == "ok"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"from \xffstdin"))
    monkeypatch.setattr("sys.stdin", stdin)
    assert read_log("-") == "from \N{REPLACEMENT CHARACTER}stdin"


def complaint(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_log(path)
    return str(caught.value)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert complaint(str(tmp_path)) == (
        f"{tmp_path} is a directory: pass one log file, or - for standard input"
    )
    assert complaint(str(tmp_path / "no")) == (
        f"{tmp_path / 'no'} does not exist: pass a log file, or - for standard input"
    )
    assert "the file name is empty" in complaint("")
    assert "cannot be read" in complaint("a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch(mode=0o000)
    assert "cannot be read (Permission denied)" in complaint(str(path))
