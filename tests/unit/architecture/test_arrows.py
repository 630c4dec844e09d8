"""Who may import whom: the house's arrows, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STEPS = ("receive", "push", "publish", "confirm", "sweep")


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield every module that *path* imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", modules("chalicelib"), ids=name)
def test_the_pipeline_never_imports_the_workstation(path: Path) -> None:
    assert not [one for one in imports(path) if one.split(".")[0] == "transship"]


@pytest.mark.parametrize("path", modules("chalicelib"), ids=name)
def test_only_adapters_import_the_sdk(path: Path) -> None:
    if "aws" not in path.relative_to(ROOT).parts:
        assert not [one for one in imports(path) if one.split(".")[0] in {"boto3", "botocore"}]


@pytest.mark.parametrize("path", modules("chalicelib"), ids=name)
def test_only_the_wiring_knows_the_adapters(path: Path) -> None:
    if path.name != "wiring.py" and "aws" not in path.relative_to(ROOT).parts:
        assert not [one for one in imports(path) if one.startswith("chalicelib.aws")]


@pytest.mark.parametrize(
    "path", [one for one in modules("chalicelib") if len(one.relative_to(ROOT).parts) > 2], ids=name
)
def test_rooms_know_no_step(path: Path) -> None:
    outer = tuple(f"chalicelib.{one}" for one in (*STEPS, "handler", "wiring"))
    assert not [one for one in imports(path) if one in outer]


@pytest.mark.parametrize("path", modules("chalicelib/oci"), ids=name)
def test_nouns_know_nouns_and_errors_only(path: Path) -> None:
    allowed = ("chalicelib.oci", "chalicelib.errors", "chalicelib.codes")
    assert all(one.startswith(allowed) for one in imports(path) if one.startswith("chalicelib"))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_earlier_steps_only(step: str) -> None:
    later = STEPS[STEPS.index(step) :]
    found = set(imports(ROOT / "chalicelib" / f"{step}.py"))
    assert not found & {f"chalicelib.{one}" for one in later}


@pytest.mark.parametrize("path", modules("transship/local"), ids=name)
def test_the_local_aws_knows_the_evaluator_only(path: Path) -> None:
    found = {one for one in imports(path) if one.startswith("chalicelib")}
    assert all(one.startswith("chalicelib.access.evaluate") or one == "chalicelib.access" for one in found)
