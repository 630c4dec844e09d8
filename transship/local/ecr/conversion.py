"""
A manifest in the other of two formats: Docker image manifest v2, schema 2, and OCI image manifest.

ECR may convert on a read by tag, when the client does not accept the stored media type; the digest changes with the
text (ecr.md 1.6). Left out: schema 1, and lists, of which the guide says nothing.
"""

from __future__ import annotations

import json

from transship.local.ecr.manifests import DOCKER_MANIFEST, OCI_MANIFEST

_DOCKER_TO_OCI = {
    DOCKER_MANIFEST: OCI_MANIFEST,
    "application/vnd.docker.container.image.v1+json": "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}
_OCI_TO_DOCKER = {oci: docker for docker, oci in _DOCKER_TO_OCI.items()}


def converted(text: bytes, media_type: str, accepted: frozenset[str]) -> tuple[bytes, str] | None:
    """
    Return *text* in a format among *accepted*, with its media type, or None if there is no such conversion.

    A layer of a media type that the other format lacks (zstd in Docker's) prevents it.
    """
    mapping = {DOCKER_MANIFEST: _DOCKER_TO_OCI, OCI_MANIFEST: _OCI_TO_DOCKER}.get(media_type)
    if mapping is None or mapping[media_type] not in accepted:
        return None
    document = json.loads(text)
    descriptors = [document["config"], *(document.get("layers") or [])]
    if any(descriptor["mediaType"] not in mapping for descriptor in descriptors):
        return None
    for descriptor in descriptors:
        descriptor["mediaType"] = mapping[descriptor["mediaType"]]
    document["mediaType"] = mapping[media_type]
    return json.dumps(document, indent=3).encode(), mapping[media_type]
