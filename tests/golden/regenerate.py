# SPDX-License-Identifier: GPL-2.0-only
"""What users read, as stored text: ``python tests/golden/regenerate.py`` rewrites it.

Read the difference before it is committed: it is what the users will see. Files
that no case makes any more are removed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


def load(name: str, path: Path) -> ModuleType:
    """Import the module at *path*, which is in no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def cases() -> dict[str, Callable[[], str]]:
    """Return what is stored: for each name, a function that makes the text."""
    module = load("pykmm_tests_golden_cases", HERE / "cases.py")
    found: dict[str, Callable[[], str]] = module.CASES
    return found


def stored(name: str) -> Path:
    """Return where the text of *name* is."""
    return HERE / f"{name}.txt"


def main() -> None:
    """Write every text anew."""
    made = cases()
    for path in sorted(HERE.glob("*.txt")):
        if path.stem not in made:
            path.unlink()
            print(f"removed {path.name}")
    for name, text in made.items():
        path = stored(name)
        new = text()
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.name}")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    main()
