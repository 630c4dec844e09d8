"""What a function loads before its first event is answered: what its step needs, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

from tests.unit.architecture.test_arrows import ROOT, STEPS

ANYWHERE = {
    "boto3": "botocore's clients are the same objects",
    "s3transfer": "only boto3 needs it",
    "pydantic": "86 ms",
    "aws_lambda_powertools.utilities.idempotency": "imports boto3, 311 ms",
    "aws_lambda_powertools.utilities.parser": "imports pydantic",
    "aws_lambda_powertools.event_handler": "Chalice is the event handler",
    "aws_xray_sdk": "there is no tracing",
    "jsonschema": "schemas are for tests and subscribers",
    "yaml": "only who reads a chart",
    "isal": "only who compresses",
    "zstandard": "only who compresses",
    "pkg_resources": "slow, and nobody asks for it",
    "asyncio": "nothing here is asynchronous",
    "unittest": "a test's",
    "transship": "the workstation's",
}
"""What no function loads, and why."""

NOT_HERE = {
    "receive": ("chalicelib.transfer.layers", "chalicelib.push", "chalicelib.publish", "chalicelib.confirm", "ctypes"),
    "push": ("chalicelib.archive", "chalicelib.access.preflight", "chalicelib.receive", "chalicelib.publish"),
    "publish": ("chalicelib.archive", "chalicelib.transfer", "chalicelib.receive", "chalicelib.push"),
    "confirm": ("chalicelib.archive", "chalicelib.transfer", "chalicelib.receive", "chalicelib.push"),
    "sweep": ("chalicelib.archive", "chalicelib.transfer", "chalicelib.receive", "chalicelib.push"),
}
"""What a step leaves to the others."""


@cache
def loaded_by(step: str) -> frozenset[str]:
    """Return the names of all modules that a new process has loaded when it can run *step*."""
    code = f"import sys, app; from chalicelib import {step}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    return frozenset(done.stdout.split())


def below(loaded: frozenset[str], package: str) -> set[str]:
    return {module for module in loaded if module == package or module.startswith(f"{package}.")}


@pytest.mark.parametrize("step", STEPS)
def test_a_function_can_run_its_step(step: str) -> None:
    assert {"app", "chalicelib.wiring", f"chalicelib.{step}"} <= loaded_by(step)


@pytest.mark.parametrize("package", ANYWHERE)
@pytest.mark.parametrize("step", STEPS)
def test_no_function_loads_what_it_never_uses(step: str, package: str) -> None:
    assert not below(loaded_by(step), package), ANYWHERE[package]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_leaves_the_others_work_to_them(step: str) -> None:
    loaded = loaded_by(step)

    assert not [module for package in NOT_HERE[step] for module in below(loaded, package)]


def test_no_class_of_a_function_has_methods_that_are_compiled_at_each_start() -> None:
    """Those of data classes are; see docs/decisions/0025."""
    makers = [path for path in (ROOT / "chalicelib").rglob("*.py") if "@dataclass" in path.read_text()]

    assert not makers


@pytest.mark.parametrize(
    ("where", "threshold", "spared"),
    [({"AWS_LAMBDA_FUNCTION_NAME": "push"}, "50000", "True"), ({}, "700", "False")],
)
def test_the_collector_waits_in_a_function_only(where: dict[str, str], threshold: str, spared: str) -> None:
    """A server that imports the evaluator answers requests that may hang in circles."""
    code = (
        "import gc, chalicelib; chalicelib.spare_what_is_loaded();"
        "print(gc.get_threshold()[0], gc.isenabled(), gc.get_freeze_count() > 1000)"
    )
    usual = {name: value for name, value in os.environ.items() if not name.startswith("AWS_LAMBDA")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**usual, **where},
    )

    assert done.stdout.split() == [threshold, "True", spared]
