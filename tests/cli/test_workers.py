# SPDX-License-Identifier: GPL-2.0-only
"""The processes of ``--jobs`` are there as long as the first one is."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

KILLED = """
import os, signal, time
from pykmm.cli.workers import workers

with workers(2) as executor:
    executor.submit(os.write, 2, b"at work").result()
    executor.submit(time.sleep, 3600)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_workers_end_when_the_first_process_is_killed() -> None:
    # They have its standard error, which ends when the last of them does.
    done = subprocess.run(
        [sys.executable, "-c", KILLED], stderr=subprocess.PIPE, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stderr.startswith(b"at work")
