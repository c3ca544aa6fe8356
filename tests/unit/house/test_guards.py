"""The table of guards in docs/reliability.md: each has a test, and a mutation that makes the test fail; none is missing."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.embedded import jar_folder
from tests.support.examples import THOROUGH
from tests.support.house import ROOT, files, table
from tests.support.mutations import Mutation
from tests.support.mutations_of_the_edges import MUTATIONS_OF_THE_EDGES
from tests.support.mutations_of_the_log import MUTATIONS_OF_THE_LOG

MUTATIONS = (*MUTATIONS_OF_THE_LOG, *MUTATIONS_OF_THE_EDGES)
_FAUST_ROWS = {*map(str, (*range(1, 8), *range(14, 28), *range(29, 36))), "aiokafka"}


def _rows() -> list[list[str]]:
    return table((ROOT / "docs/reliability.md").read_text(encoding="utf-8"), "## Guard by guard")


def _tests_named(cell: str) -> set[str]:
    return set(re.findall(r"test_\w+", cell))


@cache
def _functions(module: Path) -> set[str]:
    return set(re.findall(r"^ *(?:async )?def (\w+)\(", (ROOT / module).read_text(encoding="utf-8"), re.MULTILINE))


def test_the_tests_that_the_table_names_exist():
    there = {name for path in files() if path.suffix == ".py" and path.parts[0] == "tests" for name in _functions(path)}

    for row in _rows():
        assert _tests_named(row[-1]), f"{row[0]} names no test"
        assert _tests_named(row[-1]) <= there, _tests_named(row[-1]) - there


def test_every_row_of_faust_md_that_is_a_hazard_here_has_its_guard_in_the_table():
    named = {number for row in _rows() for number in re.findall(r"\d+|aiokafka", row[0].rpartition("(")[2])}

    assert named >= _FAUST_ROWS, _FAUST_ROWS - named


def test_every_guard_that_can_be_edited_out_stands_in_the_table():
    named = {name for row in _rows() for name in _tests_named(row[-1])}

    assert {mutation.test.rpartition("::")[2] for mutation in MUTATIONS} <= named


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.guard)
def test_what_a_mutation_takes_out_is_there(mutation: Mutation):
    module, _, test = mutation.test.partition("::")

    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1
    assert test in _functions(Path(module))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.guard)
def test_without_the_guard_its_test_fails(mutation: Mutation, tmp_path: Path):
    """Each on a copy of its own, with the guard edited out."""
    copy = tmp_path / "copy"
    for path in files():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy / path)
    mutated = copy / mutation.file
    mutated.write_text(mutated.read_text(encoding="utf-8").replace(mutation.old, mutation.new), encoding="utf-8")

    own = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "ORDERS_CACHE": str(jar_folder().parent)}
    thorough = f"--hypothesis-profile={THOROUGH}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", thorough, mutation.test]
    run = subprocess.run(command, cwd=copy, env=os.environ | own, capture_output=True, text=True, timeout=280, check=False)

    # 1: the test ran and did not pass, be it that a worker it needs does not even start; 2 and more: it never ran.
    assert run.returncode == 1, run.stdout[-3000:]
