# SPDX-License-Identifier: GPL-2.0-only
"""Design I, the thaw: of a frozen victim one thread is let go, as before v6.18."""

from __future__ import annotations

from ...kernel import freezer
from ...mm import oom_kill
from ..kernels.v6_12 import freezing_slow_path, mark_oom_victim
from ..patch import Patch

patch = Patch(
    "I-thaw",
    kind="design",
    summary="of a frozen victim one thread is thawed, not all (before v6.18)",
    origin="what 59d4d36158ba (in v6.18) changed",
    scenario="oom-kill-stuck",
)

patch.replaces(oom_kill.mark_oom_victim)(mark_oom_victim)
patch.replaces(freezer.freezing_slow_path)(freezing_slow_path)
