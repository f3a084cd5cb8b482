# SPDX-License-Identifier: GPL-2.0-only
"""Design A: what ships. First ``kill()``, then ``process_mrelease()``.

No function is replaced: this is the baseline, with a name to compare it by.
"""

from __future__ import annotations

from ..patch import Patch

patch = Patch(
    "A",
    kind="design",
    summary="kill first, then process_mrelease(); nothing is replaced (the baseline)",
    origin="884a7e5964e0 (in v5.15), ba535c1caf3e and bf3980c85212 (2022)",
    scenario="mrelease-vs-exit",
)
