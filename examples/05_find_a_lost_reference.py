# SPDX-License-Identifier: GPL-2.0-only
"""Put a bug into the kernel and let the explorer find it."""

from pykmm import explore, replay
from pykmm.patches.bugs import BUGS
from pykmm.scenarios import SCENARIOS

bug = BUGS["mrelease-no-mmgrab"]
scenario = SCENARIOS[bug.scenario].but(patches=(bug,))
report = explore(scenario, stop_on_report=True).reports[0]
print(report.kind, "-", report.summary)

again = replay(scenario, report.schedule)
assert again.report is not None
print("replayed:", again.report.summary == report.summary)
