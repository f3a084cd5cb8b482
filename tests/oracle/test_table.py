# SPDX-License-Identifier: GPL-2.0-only
"""Decision tables: as stored, complete, and with reasons that fit.

``table_NAME.json`` is what the table was when somebody last read all of it; write a
new one with ``python -m pykmm oracle --table NAME``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pykmm.__main__ import main
from pykmm.errors import UsageError
from pykmm.oracle import TABLES, decision_table

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", TABLES)
def test_as_stored(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["oracle", "--table", name]) == 0
    stored = (HERE / f"table_{name}.json").read_text(encoding="ascii")
    assert capsys.readouterr().out == stored
    assert json.loads(stored) == decision_table(name)


@pytest.mark.parametrize("name", TABLES)
def test_each_combination_stands_once(name: str) -> None:
    table: Any = decision_table(name)
    keys = list(table["inputs"])
    rows = [tuple(row[key] for key in keys) for row in table["rows"]]
    assert len(set(rows)) == len(rows)
    for key, values in table["inputs"].items():
        assert {row[key] for row in table["rows"]} == set(values)
    whole = [row for row in table["rows"] if row["has_mm"]]
    combinations = 1
    for values in table["inputs"].values():
        combinations *= len(values)
    assert len(whole) == combinations // 2


@pytest.mark.parametrize("name", TABLES)
def test_a_reason_never_stands_for_two_answers(name: str) -> None:
    table: Any = decision_table(name)
    answers: dict[str, set[object]] = {}
    for row in table["rows"]:
        answers.setdefault(row["reason"], set()).add(row["ret"])
    assert all(len(rets) == 1 for rets in answers.values())
    assert len(answers) >= 7


def test_the_law_of_task_will_free_mem() -> None:
    table: Any = decision_table("task_will_free_mem")
    for row in table["rows"]:
        dies = row["group_exit"] or (row["exiting"] and not row["has_other_threads"])
        alone = row["other_user"] in ("nobody", "a passing reader", "a dying process")
        assert row["ret"] == (
            row["has_mm"]
            and dies
            and not row["dumps_core"]
            and not row["oom_skip"]
            and alone
        )


def test_the_law_of_process_mrelease() -> None:
    table: Any = decision_table("process_mrelease")
    for row in table["rows"]:
        assert row["ret"] == mrelease(row)


def mrelease(row: dict[str, Any]) -> object:
    if row["flags"]:
        return -22
    if row["bad_descriptor"]:
        return -9
    if not row["has_mm"]:
        return -3
    if row["oom_skip"]:
        return 0
    if not row["dying"]:
        return -22
    if row["lock_held_for_writing"]:
        return -4 if row["caller_killed"] else "waits"
    return -11 if row["notifier_refuses"] else 0


def test_an_unknown_table() -> None:
    with pytest.raises(UsageError, match="there is no table 'x'"):
        decision_table("x")


def test_an_unknown_table_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["oracle", "--table", "process_release"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "did you mean process_mrelease?" in err
