"""Holds the catalogue and the tests together: no requirement without a test, no test without a known requirement.

Read from the source of the tests, so that it does not depend on which of them run, or in which process.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.requirements import CATALOGUE, CLIENTS_ONLY

MODULES = sorted(path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
IDS = {requirement.id for requirement in CATALOGUE}


def read_tests(module: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{module.name}::{node.name}", node


def requirements_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The ids that a test names, on itself or on one of its parameter sets."""
    return [
        argument.value
        for decorator in test.decorator_list
        for call in ast.walk(decorator)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.requirement"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


NAMED = {name: requirements_of(test) for module in MODULES for name, test in read_tests(module)}


def test_every_requirement_has_a_test() -> None:
    tested = {identifier for named in NAMED.values() for identifier in named}
    assert sorted(IDS - tested) == []


def test_every_test_names_known_requirements() -> None:
    assert {name: unknown for name, named in NAMED.items() if (unknown := set(named) - IDS)} == {}


def test_every_test_names_a_requirement() -> None:
    assert [name for name, named in NAMED.items() if not named] == []


def test_ids_are_unique() -> None:
    counted = Counter(requirement.id for requirement in CATALOGUE)
    assert [identifier for identifier, count in counted.items() if count > 1] == []


def test_quotes_are_whole() -> None:
    assert all(requirement.text.strip() == requirement.text and requirement.section for requirement in CATALOGUE)
    musts = [requirement for requirement in CATALOGUE if requirement.level == "MUST"]
    assert [item.id for item in musts if not {"MUST", "SHALL"} & set(item.text.split())] == []
    assert not set(CLIENTS_ONLY) & {requirement.text for requirement in CATALOGUE}
