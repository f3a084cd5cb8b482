# SPDX-License-Identifier: GPL-2.0-only
"""Two locks in two orders: a program that is not about kernels at all."""

from pykmm import Machine, explore
from pykmm.engine import Mutex


def two_orders(m: Machine) -> str:
    a, b = Mutex(), Mutex()

    def nest(first: Mutex, second: Mutex) -> None:
        with first, second:
            pass

    m.thread("one", lambda: nest(a, b))
    m.thread("two", lambda: nest(b, a))
    m.run()
    return "fine"


result = explore(two_orders)
print("outcomes:", [outcome.value for outcome in result.outcomes])
print("found:", sorted({report.kind for report in result.reports}))
