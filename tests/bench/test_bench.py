"""That the benchmarks run; what they measure in so short a time says nothing."""

import json
from pathlib import Path

import pytest
from tests.bench.__main__ import main


@pytest.mark.e2e
def test_quick_run_measures_without_errors_and_leaves_nothing_behind(tmp_path: Path) -> None:
    report, data_dir = tmp_path / "report.json", tmp_path / "data"
    options = ["--quick", "--rounds", "1", "--servers", "longshore,bare loop"]
    assert main([*options, "--data-dir", str(data_dir), "--json", str(report)]) == 0

    measured = json.loads(report.read_text())["workloads"]
    assert set(measured) >= {"a", "b", "e", "g"}
    for workload in measured.values():
        if not any("compiler" in reason for reason in workload["absent"].values()):
            assert workload["servers"]["longshore"]["median"] > 0
    assert not list(data_dir.iterdir())
