# SPDX-License-Identifier: GPL-2.0-only
"""The page about the world file knows every key, default and call."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pykmm.oracle.schema import _CALLS, DEFAULTS, FORMAT

PAGE = (Path(__file__).parents[2] / "docs/reference/worlds.md").read_text("utf-8")

#: What the page shows in place of a default that hangs on something else.
OTHER = {
    ("world", "machine"),
    ("world", "sysctl"),
    ("world", "memcgs"),
    ("world", "mms"),
    ("world", "tasks"),
    ("world", "current"),
    ("machine", "totalram_pages"),
    ("machine", "nodes"),
    ("mm", "vmas"),
    ("task", "tgid"),
    ("task", "mm"),
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_every_key_stands_there_with_its_default(kind: str) -> None:
    assert f'"{FORMAT}"' in PAGE
    for key, default in DEFAULTS[kind].items():
        value = "" if (kind, key) in OTHER else json.dumps(default)
        assert re.search(rf'"{key}":\s+{re.escape(value)}', PAGE), key


@pytest.mark.parametrize("name", _CALLS)
def test_every_call_stands_there_with_its_keys(name: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if f'| `{{"fn": "{name}"' in line]
    assert set(re.findall(r'"(\w+)":', row)) >= set(_CALLS[name].keys)
