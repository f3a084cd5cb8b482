# SPDX-License-Identifier: GPL-2.0-only
"""The OOM reaper and the victim's own exit want the same pages.

Whoever comes first takes them. In some orders the reaper has something to
tell of in the log, in the others the victim has been faster; no page is lost.
"""

from pykmm import explore
from pykmm.scenarios import SCENARIOS

result = explore(SCENARIOS["oom-kill-itself"])
for outcome in result.outcomes:
    print(f"{outcome.value}: {outcome.preemptions} preemptions at least")
print("complete:", result.complete, "- bugs:", len(result.reports))
