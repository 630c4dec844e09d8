"""Linters of AWS's documents that we did not write: cfn-lint, a command, and parliament, offline."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest


def lint_templates(templates: Sequence[Path]) -> str:
    """Return what cfn-lint says of CloudFormation templates, "" for nothing; without it the test is skipped."""
    lint = shutil.which("cfn-lint")
    if lint is None:
        pytest.skip("cfn-lint is not installed; .ci/run installs it")
    result = subprocess.run([lint, *map(str, templates)], capture_output=True, text=True, check=False)
    assert result.returncode == 0 or result.stdout, result.stderr
    return result.stdout


def lint_policy(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the faults of a policy, by AWS's Service Authorization Reference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources and leaves its files open
        import parliament  # type: ignore[import-untyped]  # noqa: PLC0415

        return [found.issue for found in parliament.analyze_policy_string(json.dumps(document)).findings]
