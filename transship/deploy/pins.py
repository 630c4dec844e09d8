"""
Writes requirements.txt and constraints.txt from pyproject.toml and from what is installed in this environment.

Rules:
- requirements.txt is what ships to Lambda: the project's dependencies and all that they need, each at one version.
  Chalice reads only that file, and a missing one ships nothing without a word.
- constraints.txt pins all that the extras need as well, so that a fresh clone installs what was tested.
- pyproject.toml alone says what is wanted; the versions below it are those installed here, so a change is made by
  editing pyproject.toml, installing, running this module and running the tests.

Left out: pip, which came with the environment; hashes, since Chalice downloads some wheels a second time by name, for
Lambda's platform, and pip refuses that where hashes are asked for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from transship.deploy.paths import ROOT

_HEADER: Final = "# Written by `make pins` from pyproject.toml; do not edit.\n"


def closure(requirements: Iterable[str]) -> dict[str, str]:
    """
    Return name and installed version of *requirements* and of everything that they need here.

    Raises:
        importlib.metadata.PackageNotFoundError: One of them is not installed.
    """
    versions: dict[str, str] = {}
    seen: set[str] = set()
    waiting = list(requirements)
    while waiting:
        text = waiting.pop()
        if text in seen:
            continue
        seen.add(text)
        requirement = Requirement(text)
        found = distribution(requirement.name)
        versions[canonicalize_name(requirement.name)] = found.version
        waiting.extend(_needed(found.requires or (), requirement.extras))
    return versions


def _needed(requires: Iterable[str], extras: set[str]) -> Iterator[str]:
    for text in requires:
        marker = Requirement(text).marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield text


def pins(versions: dict[str, str]) -> str:
    """Return a requirements file that holds exactly *versions*."""
    return _HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()) if name != "pip")


def wanted() -> tuple[list[str], list[str]]:
    """Return what pyproject.toml asks for in Lambda, and for development on top of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return project["dependencies"], [*extras["local"], *extras["dev"]]


def files() -> dict[str, str]:
    """Return each file that this module writes, with its text."""
    shipped, development = wanted()
    return {
        "requirements.txt": pins(closure(shipped)),
        "constraints.txt": pins(closure([*shipped, *development])),
    }


def main() -> None:
    """Write them."""
    for name, text in files().items():
        (ROOT / name).write_text(text)


if __name__ == "__main__":
    main()
