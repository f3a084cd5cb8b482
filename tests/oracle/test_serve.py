# SPDX-License-Identifier: GPL-2.0-only
"""The stream: a line for a line, at once, and always the same bytes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pykmm.oracle import answer, answer_line, serve

ROOT = Path(__file__).parents[2]
OOM = {"fn": "out_of_memory", "gfp_mask": 0xCC0}

World = Callable[..., dict[str, Any]]


class Pipe(io.StringIO):
    """Notes what had been written at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[str] = []

    def flush(self) -> None:
        self.flushed.append(self.getvalue())


def python(*argv: str, stdin: bytes = b"", **environment: str) -> tuple[int, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "pykmm", "oracle", *argv],
        input=stdin,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={"PATH": "", **environment},
    )
    assert done.stderr == b"" or done.returncode == 2, done.stderr
    return done.returncode, done.stdout


def test_a_line_for_a_line(world: World) -> None:
    lines = [json.dumps(world(OOM)), "nonsense", json.dumps(world())]
    out = Pipe()
    assert serve(lines, out) == 1
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert answers == [answer_line(line) for line in lines]
    assert ["error" in found for found in answers] == [False, True, False]


def test_each_line_is_flushed(world: World) -> None:
    out = Pipe()
    lines = iter([json.dumps(world()), "nonsense"])

    def fed() -> Any:
        for number, line in enumerate(lines):
            assert out.getvalue().count("\n") == number
            assert len(out.flushed) == number
            yield line

    serve(fed(), out)
    assert [text.count("\n") for text in out.flushed] == [1, 2]


@pytest.mark.parametrize(
    ("lines", "status"),
    [([], 0), (['{"format":"pykmm-world/1","calls":[]}'], 0), ([""], 1), (["{}"], 1)],
)
def test_status(lines: list[str], status: int) -> None:
    assert serve(lines, io.StringIO()) == status


def test_only_ascii_is_written(world: World) -> None:
    text = json.dumps(world(OOM, tasks=[{"pid": 7, "comm": "hög\n", "mm": "big"}]))
    out = io.StringIO()
    assert serve([text], out) == 0
    assert out.getvalue().isascii()
    assert out.getvalue().count("\n") == 1
    assert "hög\n invoked" in json.loads(out.getvalue())["results"][0]["log"][0]


def test_worlds_do_not_know_of_each_other(world: World) -> None:
    first = world(OOM)
    between = world(OOM, {"fn": "wake_oom_reaper", "pid": 7}, {"fn": "oom_reaper"})
    alone = answer(first)
    answer(between)
    assert answer(first) == alone


def test_the_command_line(world: World) -> None:
    lines = [json.dumps(world(OOM)), "{}", json.dumps(world())]
    status, out = python(stdin="\n".join(lines).encode())
    expected = io.StringIO()
    assert status == serve(lines, expected) == 1
    assert out.decode("ascii") == expected.getvalue()
    assert python(stdin=lines[0].encode() + b"\n")[0] == 0
    assert python() == (0, b"")


@pytest.mark.slow
def test_hash_seeds_change_nothing(world: World) -> None:
    memcgs = [{"id": name} for name in "abcdef"]
    mms = [{"id": f"m{n}", "anon": n % 3, "flags": ["MMF_UNSTABLE"]} for n in range(9)]
    tasks = [
        {
            "pid": n + 2,
            "mm": f"m{n % 9}",
            "memcg": "abcdef"[n % 6],
            "mems_allowed": [2, 0, 1],
            "mempolicy_nodes": [1, 2],
        }
        for n in range(30)
    ]
    machine = {"nodes": [{"present_pages": 1 << 10}] * 4}
    parts = {"memcgs": memcgs, "mms": mms, "tasks": tasks, "machine": machine}
    line = json.dumps(world({**OOM, "nodemask": [3, 1, 0]}, OOM, **parts)).encode()
    answers = {python(stdin=line, PYTHONHASHSEED=seed) for seed in ("0", "1", "77")}
    assert len(answers) == 1
    assert next(iter(answers))[0] == 0


def test_a_port_can_keep_talking(world: World) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pykmm", "oracle"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"PATH": ""},
    ) as port:
        assert port.stdin is not None
        assert port.stdout is not None
        for value in (world(OOM), world(), world(OOM)):
            port.stdin.write(json.dumps(value).encode() + b"\n")
            port.stdin.flush()
            assert json.loads(port.stdout.readline()) == answer(value)
        port.stdin.close()
        assert port.wait() == 0


def test_an_answer_is_spelled_as_json_spells_its_value(world: World) -> None:
    strange = 'a "b"\\ \n é\U0001f600'
    asked = world(
        OOM,
        {"fn": "wake_oom_reaper", "pid": 7},
        {"fn": "oom_reaper"},
        mms=[{"id": strange, "anon": 1000}, {"id": "c", "mm_users": 3}, {"id": "d"}],
        tasks=[
            {"pid": 1},
            {"pid": 7, "mm": strange},
            {"pid": 8, "tgid": 7, "mm": strange},
            {"pid": 9, "oom_mm": "c", "group_exit": True, "mm": "d"},
        ],
    )
    out = io.StringIO()
    serve([json.dumps(asked)], out)
    found: Any = answer(asked)
    assert out.getvalue() == json.dumps(found, separators=(",", ":")) + "\n"
    assert found["state"]["mms"][strange]["mm_users"] == 2
    assert found["state"]["tasks"]["9"]["oom_mm"] == "c"
