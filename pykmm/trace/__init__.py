# SPDX-License-Identifier: GPL-2.0-only
"""What people see of an execution: a record, its drawing, a bug report.

>>> from pykmm.trace import Trace, draw
>>> print(draw(Trace()), end="")
nothing happened
"""

from .columns import draw
from .record import Ending, Life, Step, Trace, Waiter
from .splat import complete, splat

__all__ = ["Ending", "Life", "Step", "Trace", "Waiter", "complete", "draw", "splat"]
