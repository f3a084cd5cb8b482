# SPDX-License-Identifier: GPL-2.0-only
"""Let a model judge random stories on a kernel in which a reference is missing."""

from pykmm.errors import Report
from pykmm.patches.bugs import BUGS
from pykmm.stateful import Mrelease, RacingCallOrders, Spawn, Together, fuzz, retell


class WithoutReference(RacingCallOrders):
    """The kernel whose process_mrelease() takes no reference on the structure."""

    patches = (BUGS["mrelease-no-mmgrab"],)


try:
    fuzz(WithoutReference)
except Report as report:
    print(f"{report.kind}: {report.summary}")
    print(report.replay)

state = retell([Spawn(), Together(Mrelease())])
print("without the bug:", *(f"process {p.pid} is {p.phase.name}" for p in state.procs))
