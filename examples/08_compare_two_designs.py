# SPDX-License-Identifier: GPL-2.0-only
"""One call that kills and reaps: does it have to hold ``mm_users``?

Design B, as first posted, does; design C, its reviewer's, holds ``mm_count`` only.
"""

from pykmm import explore
from pykmm.patches.designs import DESIGNS
from pykmm.scenarios import SCENARIOS

for name in ("B", "C"):
    design = DESIGNS[name]
    result = explore(SCENARIOS["reap-kill"].but(patches=(design,)))
    outcomes = [repr(outcome.value) for outcome in result.outcomes]
    print(f"{name}: {design.summary}")
    print(f"   complete: {result.complete}; {'; '.join(outcomes)}")
