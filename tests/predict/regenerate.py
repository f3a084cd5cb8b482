# SPDX-License-Identifier: GPL-2.0-only
"""Write the stored answers anew: ``python tests/predict/regenerate.py``.

Read the difference before it is committed: it is what the users will see.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

HERE = Path(__file__).parent


def load(name: str) -> ModuleType:
    """Import a module that stands beside this one, in no package."""
    path = HERE / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"pykmm_predict_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Answer each case once more."""
    writer, tests = load("conftest").Writer, load("test_render")
    for name, (machine, group, options) in tests.CASES.items():
        with TemporaryDirectory() as directory:
            proc = Path(directory) / "proc"
            writer(proc, 4096).lines((HERE / f"data/{machine}.txt").read_text("utf-8"))
            text = tests.answer(proc, group, options)
        path = HERE / f"data/{name}.out"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.name}")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    main()
