"""
Chalice's command line, with packages that start faster: `python -m transship.deploy.packaging deploy …`.

A function's directories cannot be written to (developer guide, "Lambda execution environment"), so whatever is not
compiled in the package is compiled again at each cold start: more than half of it. And botocore reads megabytes of
AWS's description where few calls are made. So compiled files go along, and most of the description stays behind.

Compiled files say that they belong to their sources without looking at dates (PEP 552, unchecked): they are made here
from the very files that are packaged, by the Python version that Chalice names as the function's runtime.
"""

from __future__ import annotations

import compileall
import functools
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final

from chalice.cli import main as chalice
from chalice.deploy.packager import BaseLambdaDeploymentPackager

from transship.deploy.models import cut_models

_UNCHECKED: Final = py_compile.PycInvalidationMode.UNCHECKED_HASH
_OURS: Final = "chalicelib/"
_WITHOUT_DOCSTRINGS: Final = 2
"""A seventh of what our modules weigh. Nothing of ours reads them; asserts go with them, which only narrow types."""

Files = Callable[[Any, str], Iterator[tuple[str, str]]]
Build = Callable[[Any, str, str, str], None]


def with_compiled(files: Files, folder: Path) -> Files:
    """Return *files*, which yields an application's paths and names, with a compiled file after each source."""

    @functools.cache
    def compiled(source: str, name: str) -> str:
        target = folder / cache_from_source(name)
        py_compile.compile(
            source,
            str(target),
            name,
            doraise=True,
            optimize=_WITHOUT_DOCSTRINGS if name.startswith(_OURS) else -1,
            invalidation_mode=_UNCHECKED,
        )
        shutil.copystat(source, target)  # the same sources make the same zip
        return str(target)

    def both(packager: Any, project: str) -> Iterator[tuple[str, str]]:
        for source, name in files(packager, project):
            yield source, name
            if name.endswith(".py"):
                yield compiled(source, name), cache_from_source(name)

    return both


def then_prepared(build: Build) -> Build:
    """Return *build*, which installs dependencies into a folder, followed by `prepare`."""

    def both(packager: Any, python_version: str, requirements: str, site_packages_dir: str) -> None:
        build(packager, python_version, requirements, site_packages_dir)
        prepare(Path(site_packages_dir))

    return both


def prepare(site_packages: Path) -> None:
    """Leave of botocore's models what functions call, and compile everything."""
    cut_models(site_packages / "botocore" / "data")
    if not compileall.compile_dir(site_packages, quiet=1, invalidation_mode=_UNCHECKED, stripdir=str(site_packages)):
        raise SystemExit("a dependency cannot be compiled")


def main() -> None:
    """Run Chalice."""
    packager: Any = BaseLambdaDeploymentPackager
    with tempfile.TemporaryDirectory(prefix="transship-compiled-") as folder:
        packager._iter_app_filenames = with_compiled(packager._iter_app_filenames, Path(folder))  # noqa: SLF001
        packager._build_python_dependencies = then_prepared(packager._build_python_dependencies)  # noqa: SLF001
        sys.exit(chalice())


if __name__ == "__main__":
    main()
