"""
The other tools that are found on this machine, each pushing the same archive from a local file.

Every run goes to a new repository, and to a Docker registry that has just been started with nothing in it: skopeo
remembers where it has put blobs, and would else not move them again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chalicelib.oci.media_type import DOCKER_MANIFEST, OCI_MANIFEST
from transship.local_stage import RegistryAccess

_LISTENING: Final = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool: how it is called to push an archive of a form, None where it cannot."""

    name: str
    command: Callable[[str, Path, str, RegistryAccess | None], Sequence[str] | None]


def peers() -> list[Peer]:
    """Return the tools on this machine, each with its version."""
    known = {"skopeo": _skopeo, "crane": _crane}
    return [Peer(_version(name), command) for name, command in known.items() if shutil.which(name)]


def _version(name: str) -> str:
    option = "version" if name == "crane" else "--version"
    said = subprocess.run([name, option], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return f"{name} {said.split()[-1]}"


def _skopeo(form: str, archive: Path, place: str, access: RegistryAccess | None) -> Sequence[str]:
    login = [f"--dest-creds={access.username}:{access.password}"] if access else []
    source = f"{form}-archive:{archive}"
    return ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", *login, source, f"docker://{place}"]


def _crane(form: str, archive: Path, place: str, access: RegistryAccess | None) -> Sequence[str] | None:
    return None if form == "oci" or access else ["crane", "push", "--insecure", str(archive), place]


def layer_bytes(host: str) -> int:
    """Return the bytes of layers of the image that was pushed to `bench/image:1` on *host*."""
    accept = {"Accept": f"{DOCKER_MANIFEST}, {OCI_MANIFEST}"}
    request = urllib.request.Request(f"http://{host}/v2/bench/image/manifests/1", headers=accept)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - a registry that we have started
        return sum(layer["size"] for layer in json.load(answer)["layers"])


@contextmanager
def docker_registry() -> Iterator[str | None]:
    """Run Debian's docker-registry with nothing in it; yields its host and port, or None where it is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="registry-") as folder:
        configuration = Path(folder, "registry.yml")
        configuration.write_text(_CONFIGURATION.format(folder=folder))
        with subprocess.Popen(  # noqa: S603
            [program, "serve", str(configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")},
        ) as server:
            try:
                yield _host(server)
            finally:
                server.terminate()
                server.communicate()


_CONFIGURATION: Final = """
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}
http: {{addr: "127.0.0.1:0"}}
"""


def _host(server: subprocess.Popen[str]) -> str:
    assert server.stderr  # noqa: S101 - it is a pipe
    for line in server.stderr:
        if found := _LISTENING.search(line):
            return found[1]
    raise RuntimeError("docker-registry ended before it listened")
