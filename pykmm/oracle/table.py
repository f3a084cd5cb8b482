# SPDX-License-Identifier: GPL-2.0-only
"""Tables of what a decision depends on, made by deciding each case.

Each row is a world of its own. The function is asked, and then the parts that it
asks itself are asked in its order, which gives the reason.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from ..errors import UsageError, choices
from .table_mrelease import MRELEASE
from .table_will_free import WILL_FREE

if TYPE_CHECKING:
    from .table_case import Decision, Inputs

__all__ = ["TABLES", "decision_table"]

_DECISIONS: Final[tuple[Decision, ...]] = (WILL_FREE, MRELEASE)

#: The functions there is a table for.
TABLES: Final = tuple(decision.function for decision in _DECISIONS)


def decision_table(name: str) -> dict[str, object]:
    """Return the table of the function *name*: every combination of its inputs.

    Combinations that cannot be are left out.
    """
    decision = next((d for d in _DECISIONS if d.function == name), None)
    if decision is None:
        raise UsageError(f"there is no table {name!r}: known are {choices(TABLES)}")
    return {
        "format": "pykmm-table/1",
        "function": name,
        "inputs": {key: list(values) for key, values in decision.inputs.items()},
        "rows": [_row(decision, inputs) for inputs in _combinations(decision)],
    }


def _combinations(decision: Decision) -> list[Inputs]:
    keys = tuple(decision.inputs)
    found = (
        dict(zip(keys, values, strict=True))
        for values in product(*decision.inputs.values())
    )
    return [inputs for inputs in found if decision.is_possible(inputs)]


def _row(decision: Decision, inputs: Inputs) -> dict[str, object]:
    ret, reason = decision.decide(inputs)
    return {**inputs, "ret": ret, "reason": reason}
