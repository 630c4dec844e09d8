"""`make` makes its environment with the distribution's Python where that will do (decision 27)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).resolve().parents[3]
_MAKE: Final = shutil.which("make")

pytestmark = pytest.mark.skipif(_MAKE is None, reason="make is not installed")


def _python(tmp_path: Path, script: str, *named: str) -> str:
    """Return which Python `make` would use where *script* is the distribution's; *named* are variables."""
    distributions = tmp_path / "python3"
    distributions.write_text(f"#!/bin/sh\n{script}\n")
    distributions.chmod(0o755)
    outer = ("PYTHON", "MAKE", "MFLAGS")  # `make test PYTHON=...` tells the tests, too
    environment = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    command = [str(_MAKE), "--dry-run", "--always-make", f"DISTRIBUTIONS={distributions}", *named, ".venv/bin/python"]
    said = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return said.split()[0].replace(str(distributions), "the distribution's")


def test_takes_the_distributions(tmp_path: Path) -> None:
    assert _python(tmp_path, f'exec {sys.executable} "$@"') == "the distribution's"


def test_takes_the_first_of_the_path_where_there_is_none(tmp_path: Path) -> None:
    assert _python(tmp_path, "exit 127") == "python3"


@pytest.mark.parametrize("lack", ["sys.modules['ensurepip'] = None", "sys.version_info = (3, 10, 13)"])
def test_takes_the_first_of_the_path_where_it_will_not_do(tmp_path: Path, lack: str) -> None:
    """Without `ensurepip`, as Debian has it without python3-venv, or older than 3.11."""
    assert _python(tmp_path, f'exec {sys.executable} -c "import sys; {lack}; $2"') == "python3"


def test_takes_what_it_is_told(tmp_path: Path) -> None:
    assert _python(tmp_path, f'exec {sys.executable} "$@"', "PYTHON=python3.13") == "python3.13"
