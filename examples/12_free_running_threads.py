# SPDX-License-Identifier: GPL-2.0-only
"""The same scenario on plain threads: the operating system decides."""

from pykmm.engine import Backend
from pykmm.scenarios.mrelease import mrelease_vs_exit
from pykmm.workbench import Machine

possible = {"0", "-ESRCH"}
for seed in range(100):
    with Machine(backend=Backend.FREE, seed=seed, jitter=3) as m:
        assert repr(mrelease_vs_exit(m)) in possible
print("100 rounds, no report, no outcome that exploration did not find")
