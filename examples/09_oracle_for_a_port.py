# SPDX-License-Identifier: GPL-2.0-only
"""Ask the kernel's logic whom it would kill, as a port in another language would."""

import json

from pykmm.oracle import answer

world = {
    "format": "pykmm-world/1",
    "mms": [{"id": "small", "anon": 100}, {"id": "large", "anon": 5000}],
    "tasks": [
        {"pid": 1, "comm": "init"},
        {"pid": 10, "comm": "shell", "mm": "small"},
        {"pid": 11, "comm": "hog", "mm": "large"},
    ],
    "calls": [
        {"fn": "oom_badness", "pid": 11, "totalpages": 100000},
        {"fn": "out_of_memory", "gfp_mask": 0xCC0},
    ],
}
for result in answer(world)["results"]:  # type: ignore[attr-defined]  # a list
    print(result["fn"], json.dumps(result["ret"]))
    for effect in result["events"]:
        print("  ", json.dumps(effect))
