"""
The project as Chalice packages it: a copy without what has no business in Lambda, with this deployment's policies.

Chalice hashes and zips whatever lies in `chalicelib/`, compiled files included, so a checkout in which tests ran would
give another package each time. The copy also keeps Chalice's notes (`.chalice/deployed`) out of the checkout: what is
deployed is read from AWS, see `deployed`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from chalicelib.names import FUNCTIONS, Deployment
from chalicelib.settings import Settings
from transship.deploy.paths import ROOT
from transship.deploy.policies import narrow
from transship.errors import CommandError

CONFIG: Final = ROOT / ".chalice" / "config.json"
_COMPILED: Final = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, slots=True)
class Stage:
    """
    A stage of `.chalice/config.json`.

    Attributes:
        settings: Of its functions.
        foundation_parameters: Parameters of `.chalice/foundation.json`.
    """

    name: str
    settings: Settings
    foundation_parameters: Mapping[str, str]

    @classmethod
    def read(cls, name: str) -> Self:
        """
        Read the stage *name*.

        Raises:
            CommandError: There is none of that name, or it is named otherwise in its own settings.
            chalicelib.settings.SettingsError: A setting is impossible.
        """
        stages = json.loads(CONFIG.read_text())["stages"]
        if name not in stages:
            raise CommandError(
                f"There is no stage {name} in .chalice/config.json.", f"Stages are: {', '.join(sorted(stages))}."
            )
        settings = Settings.from_environment(stages[name]["environment_variables"])
        if settings.stage != name:
            raise CommandError(
                f"The stage {name} says TRANSSHIP_STAGE={settings.stage}.", "Make both equal in .chalice/config.json."
            )
        own = {"Prefix": settings.prefix, "BucketKeyArn": settings.bucket_kms_key}
        parameters = {**own, **stages[name].get("foundation_parameters", {})}
        return cls(name, settings, parameters)


def write_project(folder: Path, stage: Stage, deployment: Deployment) -> None:
    """Write into *folder* what Chalice reads."""
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "chalicelib", folder / "chalicelib", ignore=_COMPILED)
    chalice = folder / ".chalice"
    chalice.mkdir()
    shutil.copy(CONFIG, chalice)
    for function in FUNCTIONS:
        policy = narrow(read_policy(function), deployment, stage.settings)
        (chalice / policy_name(function)).write_text(json.dumps(policy))


def policy_name(function: str) -> str:
    """Return the name of a function's policy file."""
    return f"policy-{function}.json"


def read_policy(function: str) -> dict[str, Any]:
    """Return a function's policy as it stands in `.chalice/`."""
    document: dict[str, Any] = json.loads((CONFIG.parent / policy_name(function)).read_text())
    return document
