# SPDX-License-Identifier: GPL-2.0-only
"""What is left of a world once it is answered."""

from __future__ import annotations

import gc
from typing import Any

from pykmm.linux.mm_types import mm_struct
from pykmm.linux.rculist import list_head
from pykmm.linux.sched import task_struct
from pykmm.oracle import answer


def test_nothing_of_a_machine_waits_for_the_collector() -> None:
    world: dict[str, Any] = {
        "format": "pykmm-world/1",
        "mms": [{"id": f"m{n}", "anon": n} for n in range(20)],
        "tasks": [
            *({"pid": n + 1, "mm": f"m{n}"} for n in range(20)),
            {"pid": 100, "tgid": 5, "mm": "m4"},
        ],
        "calls": [{"fn": "out_of_memory", "gfp_mask": 0xCC0}],
    }
    gc.collect()
    gc.disable()
    try:
        assert answer(world)["results"]
        kinds = {task_struct, mm_struct, list_head}
        left = [thing for thing in gc.get_objects() if type(thing) in kinds]
    finally:
        gc.enable()
    assert len(left) < 20
