import os
import subprocess
import sys

import anyio
import pytest
from tests.unit.hooks.formats.samples import FOREIGN, TABLE

from longshore.hooks.formats.detection import EXECUTABLE_TYPES, media_type

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["ELF", "PE", "Mach-O"])
async def test_knows_executables(kind: str) -> None:
    assert await media_type(FOREIGN[kind][0]) in EXECUTABLE_TYPES


async def test_answers_many_at_a_time() -> None:
    expected = {TABLE: "text/csv", FOREIGN["PDF"][0]: "application/pdf", FOREIGN["gzip"][0]: "application/gzip"}
    answers: list[tuple[str, str]] = []

    async def ask(data: bytes) -> None:
        answers.append((await media_type(data), expected[data]))

    async with anyio.create_task_group() as group:
        for data in list(expected) * 30:
            group.start_soon(ask, data)
    assert len(answers) == 90
    assert all(answer == right for answer, right in answers)


def test_loading_leaves_the_environment_as_it_was() -> None:
    program = (
        "import os; before = dict(os.environ)\n"
        "from longshore.hooks.formats.detection import load; load()\n"
        "assert dict(os.environ) == before, set(os.environ) ^ set(before)\n"
    )
    for variables in ({}, {"LD_LIBRARY_PATH": "/nowhere", "MAGIC": "/nowhere"}):
        subprocess.run([sys.executable, "-c", program], env={**os.environ, **variables}, check=True, timeout=60)
