"""
The application, deployed by `chalice deploy` in a process of its own, its packages made as `packaging` says.

What takes longest, the layer with the dependencies, is built once for each requirements.txt and each version of what
cuts it down, and kept in `build/layers`; several deployments at once may build it twice but never see half of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import boto3

from chalicelib.aws import operations
from chalicelib.names import Deployment
from transship.deploy import models, packaging
from transship.deploy.deployed import read_deployed
from transship.deploy.paths import ROOT
from transship.errors import CommandError

PACKAGES: Final = ROOT / "build" / "layers"
_MAKERS: Final = (ROOT / "requirements.txt", packaging.__file__, models.__file__, operations.__file__)
"""Chalice knows a layer by its requirements alone; the others decide what of them is in it."""
_LAYERS: Final = "managed-layer-*.zip"
_CHALICE: Final = packaging.__name__
_FAILURE: Final = re.compile(r"ERROR - (.*)", re.DOTALL)
_KEPT_LINES: Final = 20


def deploy_application(project: Path, deployment: Deployment, session: boto3.Session) -> None:
    """
    Run `chalice deploy` for *deployment* in *project*.

    Args:
        project: What `write_project` wrote.
        deployment: Where *session* leads to.
        session: Whoever may deploy.

    Raises:
        CommandError: Chalice failed; its own last words are in it.
    """
    _write_notes(project, deployment, session)
    kept = PACKAGES / _version()
    _copy_layers(kept, project / ".chalice" / "deployments")
    result = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", _CHALICE, "deploy", "--stage", deployment.stage, "--no-autogen-policy"],
        cwd=project,
        env=_environment(session),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise CommandError(f"`chalice deploy` failed: {_reason(result.stdout)}", "Mend that and deploy again.")
    _copy_layers(project / ".chalice" / "deployments", kept)


def _version() -> str:
    """Return what changes with whatever layers are made of and by."""
    return hashlib.sha256(b"".join(Path(maker).read_bytes() for maker in _MAKERS)).hexdigest()[:16]


def _write_notes(project: Path, deployment: Deployment, session: boto3.Session) -> None:
    notes = project / ".chalice" / "deployed"
    notes.mkdir()
    (notes / f"{deployment.stage}.json").write_text(json.dumps(read_deployed(deployment, session)))


def _copy_layers(source: Path, target: Path) -> None:
    """Copy the layers that *target* lacks; a reader sees a whole file or none."""
    target.mkdir(parents=True, exist_ok=True)
    for layer in source.glob(_LAYERS):
        if not (target / layer.name).exists():
            partial = target / f".{layer.name}.{os.getpid()}"
            shutil.copy(layer, partial)
            partial.replace(target / layer.name)


def _environment(session: boto3.Session) -> dict[str, str]:
    """
    Return the variables of Chalice's process: the session's credentials, and nothing that changes its Python.

    Endpoints (`AWS_ENDPOINT_URL`) and pip's settings are passed on. Compiled files are made by `packaging` alone, and
    the order of sets in them hangs on the seed.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name not in {"AWS_PROFILE", "AWS_SESSION_TOKEN"}
    }
    credentials = session.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        named = {
            "AWS_ACCESS_KEY_ID": frozen.access_key,
            "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
            "AWS_SESSION_TOKEN": frozen.token,
        }
        kept |= {name: value for name, value in named.items() if value}
    return kept | {
        "AWS_DEFAULT_REGION": session.region_name or "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }


def _reason(output: str) -> str:
    """Return Chalice's explanation if it gave one, else the end of what it wrote."""
    explained = _FAILURE.search(output)
    text = explained[1] if explained else "\n".join(output.splitlines()[-_KEPT_LINES:])
    return " ".join(text.split())
