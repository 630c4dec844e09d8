"""
The media types that decide something here; any other is carried as it is.

Sources: OCI image-spec 1.1 media-types.md, Docker's image manifest version 2 schema 2, Helm's registry package.
"""

from __future__ import annotations

from typing import Final

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN_LAYER: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"

MANIFESTS: Final = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
INDEXES: Final = frozenset({DOCKER_INDEX, OCI_INDEX})
SCHEMA1: Final = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})
IMAGE_CONFIGS: Final = frozenset({DOCKER_CONFIG, OCI_CONFIG})

# BatchGetImage converts what it thinks the client cannot read, so everything is accepted (ecr.md 1.6).
ACCEPTED: Final = (
    OCI_MANIFEST,
    OCI_INDEX,
    DOCKER_MANIFEST,
    DOCKER_INDEX,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
)


def is_foreign(media_type: str) -> bool:
    """Tell whether a layer of *media_type* is one that registries need not hold (ecr.md 3)."""
    return media_type == DOCKER_FOREIGN_LAYER or ".nondistributable." in media_type


def is_encrypted(media_type: str) -> bool:
    """Tell whether a layer of *media_type* is encrypted (the ocicrypt convention)."""
    return media_type.endswith("+encrypted")
