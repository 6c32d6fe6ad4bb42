"""Benchmarks of Longshore beside other servers and beside the floor: `make bench`, or python -m tests.bench --help."""

import argparse
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.bench.load import Hammer, LoadError, Source
from tests.bench.report import LEGEND, Result, table, verdicts, write_json
from tests.bench.servers import KINDS, REPOSITORY, Kind, running
from tests.bench.workloads import FULL, QUICK, WORKLOADS, Bench, Scale, Workload, require_space


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; the exit status is 1 when a server did not do its work."""
    options = _parse(arguments)
    scale = QUICK if options.quick else FULL
    workloads, kinds = _workloads(options), _kinds(options.servers)
    results = [Result(workload) for workload in workloads]
    options.data_dir.mkdir(parents=True, exist_ok=True)
    require_space(options.data_dir, scale, [workload.key for workload in workloads])
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.data_dir) as directory:
            bench = _bench(scale, Path(directory))
            print(LEGEND)
            for result in results:
                _run(result, bench, kinds, 1 if result.workload.once else options.rounds)
                print(table(result), flush=True)
    finally:
        print(verdicts(results))
        if options.json is not None:
            settings = {"rounds": options.rounds, "quick": options.quick, "data_dir": str(options.data_dir)}
            write_json(options.json, results, settings)
    return int(not all(result.sound for result in results))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    keys = ", ".join(f"{workload.key} ({workload.title})" for workload in WORKLOADS)
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"workloads, separated by commas: {keys}")
    parser.add_argument("--servers", default="", help=f"of {', '.join(kind.name for kind in KINDS)}")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each server (default: 3)")
    parser.add_argument("--quick", action="store_true", help="much smaller, to see that everything runs; without f")
    parser.add_argument("--json", type=Path, help="where to write all that was measured")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=REPOSITORY / "build",
        help="where the servers store (default: build/, on the disk; /dev/shm leaves the disk out of it)",
    )
    return parser.parse_args(arguments)


def _workloads(options: argparse.Namespace) -> Sequence[Workload]:
    if not options.only:
        return [workload for workload in WORKLOADS if workload.in_quick_runs or not options.quick]
    wanted = options.only.split(",")
    _require_known(wanted, [workload.key for workload in WORKLOADS])
    return [workload for workload in WORKLOADS if workload.key in wanted]


def _kinds(names: str) -> Sequence[Kind]:
    if not names:
        return KINDS
    wanted = names.split(",")
    _require_known(wanted, [kind.name for kind in KINDS])
    return [kind for kind in KINDS if kind.name in wanted]


def _require_known(wanted: Sequence[str], known: Sequence[str]) -> None:
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"no such thing: {', '.join(sorted(unknown))}; there are {', '.join(known)}")


def _bench(scale: Scale, directory: Path) -> Bench:
    hammer: Hammer | None = None
    try:
        hammer = Hammer(directory)
    except LoadError as error:
        print(error, file=sys.stderr)
    return Bench(scale, Source(directory / "source", scale.source), hammer, directory)


def _run(result: Result, bench: Bench, kinds: Sequence[Kind], rounds: int) -> None:
    """Measure all servers in turn, in every round from another one on."""
    workload = result.workload
    fit = [kind for kind in kinds if _is_fit(kind, result, bench)]
    for number in range(rounds):
        start = number % len(fit) if fit else 0
        for kind in [*fit[start:], *fit[:start]]:
            _measure(kind, number, result, bench)
        if workload.floor is not None:
            result.add(workload.floor_name, number, workload.floor(bench))


def _is_fit(kind: Kind, result: Result, bench: Bench) -> bool:
    if not (kind.downloads if result.workload.downloads else kind.uploads):
        return False
    reason = kind.missing() or result.workload.unfit(kind)
    if reason is None and result.workload.hammers and bench.hammer is None:
        reason = "not measured without a C compiler"
    if reason is not None:
        result.absent[kind.name] = reason
    return reason is None


def _measure(kind: Kind, number: int, result: Result, bench: Bench) -> None:
    _tell(f"{result.workload.key}, round {number + 1}: {kind.name} …")
    try:
        data_dir = bench.directory / f"data-{result.workload.key}-{kind.name.replace('/', '-')}-{number}"
        with running(kind, data_dir, keep=result.workload.many_files) as server:
            result.add(kind.name, number, result.workload.measure(server, bench))
    except (LoadError, OSError, RuntimeError, ValueError, IndexError) as error:
        # One server that breaks under the load is a result; the others are measured all the same.
        result.failed[kind.name] = f"{type(error).__name__}: {error}"
    _tell("")


def _tell(what: str) -> None:
    """What is under way, on a terminal's last line."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


def _allow_many_files() -> None:
    """Thousands of connections need descriptors, here and in the servers, which inherit the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    _allow_many_files()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
