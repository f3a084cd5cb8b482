# SPDX-License-Identifier: GPL-2.0-only
"""Processes and a cluster answer what one process answers."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pykmm.runner import explore, spread_tree
from tests.runner.cluster import TREE
from tests.runner.test_spread import facts, processes

TOP = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_process_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_tree, "_SECONDS", 0.0)
    with processes() as executor:
        spread = explore(TREE, executor=executor)
    assert facts(spread) == facts(explore(TREE))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("distributed") is None, reason="needs distributed")
def test_a_cluster() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.runner.cluster"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) | {"seconds": 0} == facts(explore(TREE))
