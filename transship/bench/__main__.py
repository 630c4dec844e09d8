"""
The benchmark: `make bench`, or `make bench ARCHIVE=path/to/any.tar`.

Rounds are interleaved: each runs every case once, so that a busy minute of the machine hits all of them. Prints one
table; the JSON document goes to `build/bench/result.json`. Where a peer is not installed, its rows are missing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chalicelib.ports.table import Table
from transship.aws import table
from transship.bench import cost, growth, ours, report
from transship.bench.archives import Archives, build, existing
from transship.bench.cold import cold_starts, cool
from transship.bench.measure import CommandFailedError, Taken, run
from transship.bench.peers import docker_registry, layer_bytes, peers
from transship.local_stage import LocalStage, local_stage

_FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "bench"
_SMALL_MIB: Final = 8
_MANY_LAYERS: Final = (3,) * 30
_OTHER_THAN_COLD_STARTS: Final = 1_000
_DEPLOYED_MIB: Final = 1769  # of `push`, .chalice/config.json


@dataclass(slots=True)
class Bench:
    """The rounds so far."""

    stage: LocalStage
    archives: Archives
    counter: ours.CallCounter
    records: Table
    taken: defaultdict[str, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    pushes: dict[str, ours.Push] = field(default_factory=dict)
    peer_bytes: dict[str, int] = field(default_factory=dict)
    number: int = 0

    def warm_up(self) -> None:
        """Start the functions, and note what that takes."""
        form, archive = next(self.archives.forms())
        ours.settle(self.stage)
        cool(self.stage, _OTHER_THAN_COLD_STARTS)
        self._ours(f"{form}, first push, cold functions: transship", archive, "bench/warm-up")
        ours.forget(self.stage, "bench/warm-up")

    def cold_starts(self, times: int) -> dict[str, object]:
        """Start the functions so many *times* for a small image."""
        small = build(_FOLDER / "small", _SMALL_MIB).oci
        assert small  # noqa: S101 - `build` makes every form

        return cold_starts(self.stage, self._push, small, times)

    def growth(self) -> dict[str, dict[str, float]]:
        """Push two small images that differ in their layers, and return how costs grow from there to the large one."""
        form, _ = next(self.archives.forms())
        few = _form(build(_FOLDER / "small", _SMALL_MIB), form)
        many = _form(build(_FOLDER / "many", _SMALL_MIB, _MANY_LAYERS), form)
        pushed = [
            _sample(self._push(archive, f"uploads/bench/grown-{number}/image.tar"))
            for number, archive in enumerate((few, many))
        ]
        large = _sample(self.pushes[f"{form}, first push: transship"])
        return growth.growth(few=pushed[0], many=pushed[1], large=large)

    def round(self) -> None:
        """Run every case once."""
        self.number += 1
        for form, archive in self.archives.forms():
            repository = f"bench/{form}-{self.number}"
            self._ours(f"{form}, first push: transship", archive, repository)
            self._peers(form, archive)
            self._ours(f"{form}, unchanged: transship", archive, repository)
        if self.archives.rebuilt:
            self._ours("docker, one layer changed: transship", self.archives.rebuilt, f"bench/docker-{self.number}")
        for form, _ in self.archives.forms():
            ours.forget(self.stage, f"bench/{form}-{self.number}")

    def _ours(self, case: str, archive: Path, repository: str) -> None:
        os.sync()  # nobody pays for what another case has written or deleted
        self.pushes[case] = self._push(archive, f"uploads/{repository}/image.tar")
        self._note(case, self.pushes[case].taken)

    def _push(self, archive: Path, key: str) -> ours.Push:
        return ours.push(self.stage, self.counter, self.records, archive, key)

    def _peers(self, form: str, archive: Path) -> None:
        for peer in peers():
            with docker_registry() as host:
                command = peer.command(form, archive, f"{host}/bench/image:1", None) if host else None
                if host and command:
                    case = f"{form}, first push: {peer.name} to docker-registry"
                    if self._peer(case, command):
                        self.peer_bytes[case] = layer_bytes(host)
            access = self.stage.registries()[0]
            repository = f"bench/peer-{form}-{self.number}"
            command = peer.command(form, archive, f"{access.host}/{repository}:1", access)
            if command:
                self.stage.client("ecr").create_repository(repositoryName=repository)
                self._peer(f"{form}, first push: {peer.name} to the local ECR", command)
                ours.forget(self.stage, repository)

    def _peer(self, case: str, command: Sequence[str]) -> bool:
        os.sync()
        try:
            self._note(case, run(command))
        except CommandFailedError as error:  # it cannot push this archive; its row is missing
            print(f"  {case}: {error}", file=sys.stderr)  # noqa: T201
            return False
        return True

    def _note(self, case: str, taken: Taken) -> None:
        self.taken[case].append(taken)
        print(f"  {case}: {taken.seconds:.2f} s, {taken.cpu_seconds:.2f} CPU s", file=sys.stderr)  # noqa: T201

    def document(self) -> dict[str, Any]:
        """Return all that was found out."""
        cases = {case: report.median(taken) for case, taken in self.taken.items()}
        return {
            "date": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "architecture": platform.machine(),
                "python": platform.python_version(),
                "load": os.getloadavg(),
            },
            "archives": {path.name: path.stat().st_size for _, path in self.archives.forms()},
            "cases": cases,
            "ratios": {form: report.ratios(cases, form) for form, _ in self.archives.forms()},
            "pushes": {case: _push(push) for case, push in self.pushes.items()},
            "layer_bytes_of_peers": self.peer_bytes,
            "cost": self._cost(cases),
        }

    def _cost(self, cases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        form, _ = next(self.archives.forms())
        case = f"{form}, first push: transship"
        push, unchanged = self.pushes[case], self.pushes[f"{form}, unchanged: transship"]
        moved = push.metrics["bytes_uploaded"], push.metrics["source_bytes_read"]
        work = cost.Work(cases[case]["cpu_seconds"], moved[0] * 4 / 3, moved[1])
        scale = cost.GIB / moved[1] if moved[1] else 0.0
        per_gib = cost.Work(work.cpu_seconds * scale, work.bytes_sent * scale, work.bytes_read * scale)
        return {
            "this image": cost.by_memory(work),
            "a GiB of layers read": cost.by_memory(per_gib),
            "requests of this image": cost.requests(push.calls, push.capacity),
            "requests of this image unchanged": cost.requests(unchanged.calls, unchanged.capacity),
            "cdk-ecr-deployment, 1,108 MiB": {str(cost.CDK_MEMORY): cost.of_cdk_ecr_deployment()},
            "images a second": self._growth(push.calls, work),
        }

    @staticmethod
    def _growth(calls: dict[str, int], work: cost.Work) -> dict[str, dict[str, float]]:
        larger = cost.Work(work.cpu_seconds * 10, work.bytes_sent * 10, work.bytes_read * 10)
        once, ten = (cost.lambda_seconds(one, _DEPLOYED_MIB) for one in (work, larger))
        return {
            "this image": cost.images_a_second(calls, once),
            "ten times the size": cost.images_a_second(cost.grown(calls, size=10), ten),
            "ten times the layers": cost.images_a_second(cost.grown(calls, layers=10), once),
        }


def _form(archives: Archives, form: str) -> Path:
    return dict(archives.forms())[form]


def _sample(push: ours.Push) -> growth.Sample:
    work = cost.Work(push.taken.cpu_seconds, push.metrics["bytes_uploaded"] * 4 / 3, push.metrics["source_bytes_read"])
    seconds = cost.lambda_seconds(work, _DEPLOYED_MIB)
    requests = cost.requests(push.calls, push.capacity)
    dollars = cost.dollars(seconds, _DEPLOYED_MIB) + requests["dollars"]
    took = {"gb_seconds": seconds * _DEPLOYED_MIB / 1024, **requests, "dollars": dollars}
    return growth.Sample(push.metrics["layers"], push.metrics["source_bytes_read"], took)


def _push(push: ours.Push) -> dict[str, Any]:
    return {
        "cold_functions": push.cold,
        "confirm_cpu_seconds": round(push.confirm_cpu_seconds, 2),
        "layer_bytes": push.layer_bytes,
        "metrics": push.metrics,
        "calls": push.calls,
        "dynamodb_units": {"read": push.capacity[0], "write": push.capacity[1]},
    }


def giant(gib: float) -> dict[str, Any]:
    """Push one layer of *gib* GiB that is nowhere stored, and return what the process took."""
    return _alone("giant", "--gib", str(gib))


def index() -> dict[str, Any]:
    """Find out what two archives hold that are nowhere stored, each in a process of its own."""
    return {
        "20,000 members": _alone("index", "--members", "20000"),
        "40 GiB": _alone("index", "--gib", "40"),
    }


def _alone(module: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"transship.bench.{module}", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    """Read the command line, run the rounds, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m transship.bench", description="What a push costs, beside peers.")
    parser.add_argument("archive", nargs="?", type=Path, help="your own archive; else three are built")
    parser.add_argument("--mib", type=int, default=1000, help="MiB of layers of the image that is built")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--giant", type=float, default=41.0, metavar="GIB", help="also one layer of so many GiB; 0: none"
    )
    options = parser.parse_args()
    archives = existing(options.archive) if options.archive else build(_FOLDER / "archives", options.mib)
    with local_stage(on_step=lambda step: print(f"{step} …", file=sys.stderr)) as stage:  # noqa: T201
        bench = Bench(stage, archives, ours.CallCounter(stage), table(stage.deployment))
        bench.warm_up()
        for _ in range(options.rounds):
            bench.round()
        document = bench.document()
        document["cold starts"] = bench.cold_starts(options.rounds)
        document["cost"]["growth"] = bench.growth()
    document["index"] = index()
    if options.giant:
        document["giant"] = giant(options.giant)
    report.show(document["cases"])
    report.show_cost(document["cost"])
    report.show_cold_starts(document["cold starts"])
    report.show_index(document["index"])
    if options.giant:
        report.show_giant(document["giant"])
    _FOLDER.mkdir(parents=True, exist_ok=True)
    result = _FOLDER / "result.json"
    result.write_text(json.dumps(document, indent=2) + "\n")
    print(f"ratios to skopeo: {document['ratios']}; everything: {result}")  # noqa: T201


if __name__ == "__main__":
    main()
