"""Whether the platform that an index gives an image is the one that its config states."""

from __future__ import annotations

from typing import Final

from chalicelib.archive.contents import KeptManifest
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.platform import Platform

# Names that containerd's `platforms` package takes for one another.
_SAME: Final = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm", "i386": "386"}
_UNKNOWN: Final = ("", "unknown")  # attestations are labelled unknown/unknown


def check_platform(label: Platform, labelled: KeptManifest) -> None:
    """
    Compare a label with the config of what it labels, as far as both say something; variants are not compared, since
    tools fill them in differently.

    Raises:
        RefusedError: PLATFORM_MISMATCH.
    """
    actual = labelled.platform
    if actual is None:
        return
    if _differ(label.os, actual.os) or _differ(label.architecture, actual.architecture):
        detail = f"the image {labelled.blob.descriptor.digest} is labelled with another platform than its config's"
        raise RefusedError(Code.PLATFORM_MISMATCH, detail)


def _differ(label: str, actual: str) -> bool:
    label, actual = label.lower(), actual.lower()
    return label not in _UNKNOWN and actual not in _UNKNOWN and _SAME.get(label, label) != _SAME.get(actual, actual)
