# SPDX-License-Identifier: GPL-2.0-only
"""Every outcome of kill() and process_mrelease() against an exiting victim."""

from pykmm import explore
from pykmm.scenarios import SCENARIOS

result = explore(SCENARIOS["mrelease-vs-exit"])
print("complete:", result.complete)
for outcome in result.outcomes:
    print(f"{outcome.value!r:>7}: {outcome.preemptions} preemptions at least")
print("bugs:", len(result.reports))
