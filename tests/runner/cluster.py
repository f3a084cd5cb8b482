# SPDX-License-Identifier: GPL-2.0-only
"""Explore on a cluster of two workers, in a process of its own; print JSON.

A cluster leaves threads behind that end with the process.
"""

from __future__ import annotations

import json

from pykmm.engine import Machine
from pykmm.runner import Scenario, explore, spread_tree
from tests.runner.test_spread import TREES

TREE = Scenario(name="tree", function=TREES[0], machine=Machine)


def main() -> None:
    from distributed import Client, LocalCluster

    spread_tree._SECONDS = 0.0  # even this small tree falls into parts
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
        client.get_executor(pure=False) as executor,
    ):
        print(json.dumps(explore(TREE, executor=executor).as_dict()))


if __name__ == "__main__":
    main()
