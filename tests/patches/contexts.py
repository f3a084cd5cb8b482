# SPDX-License-Identifier: GPL-2.0-only
"""Write down what each patch was made from: ``python tests/patches/contexts.py``.

Run it after having looked at every patch that ``test_contexts.py`` complains about.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pykmm.patches
from pykmm.patches.context import fingerprint
from pykmm.patches.patch import Patch

STORED = Path(__file__).with_suffix(".txt")


def patches() -> Iterator[Patch]:
    """Yield every patch of the package once, in the order of their modules."""
    seen: set[int] = set()
    prefix = f"{pykmm.patches.__name__}."
    for module in pkgutil.walk_packages(pykmm.patches.__path__, prefix):
        for found in vars(import_module(module.name)).values():
            if isinstance(found, Patch) and id(found) not in seen:
                seen.add(id(found))
                yield found


def contexts() -> dict[str, str]:
    """Return the fingerprint of each original by patch and function."""
    return {
        f"{patch.kind} {patch.name} {target.__module__}.{target.__name__}": fingerprint(
            target
        )
        for patch in patches()
        for target in patch.functions
    }


def complaints(stored: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say in a sentence for each patch and function what is not as it was stored."""
    sentences = []
    for what in sorted({*stored, *now}):
        patch, _, function = what.rpartition(" ")
        if what not in now:
            says = "replaces it no more: forget it"
        elif what not in stored:
            says = "has not been looked at: note what it was made from"
        elif stored[what] != now[what]:
            says = "was made from another one: take over what has changed"
        else:
            continue
        sentences.append(f"{function}(): {patch} {says}, with {STORED.stem}.py")
    return sentences


def main() -> None:
    """Store the fingerprints of today."""
    lines = [f"{what} {digits}\n" for what, digits in sorted(contexts().items())]
    STORED.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
