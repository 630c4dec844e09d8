"""What a push would move, against a registry that has some of it."""

from __future__ import annotations

import pytest

from chalicelib.archive.contents import ArchiveContents, ArchiveImage, Blob, KeptManifest
from chalicelib.byte_range import ByteRange
from chalicelib.errors import RefusedError
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.media_type import OCI_LAYER_GZIP, OCI_MANIFEST
from chalicelib.oci.reference import Registry, RepositoryName
from tests.fakes.registry import FakeEcr
from tests.fakes.repository import EcrRules
from transship.local.clock import ManualClock
from transship.prospect import prospect

SOURCE = Registry("111122223333", "us-east-1")
LAYERS = (b"here", b"there!")


def _blob(content: bytes, media_type: str) -> Blob:
    about = Descriptor(media_type=media_type, digest=Digest.of(content), size=len(content))
    return Blob(descriptor=about, content=ByteRange(0, len(content)))


CONTENTS = ArchiveContents(
    kind="oci",
    images=(
        ArchiveImage(
            manifest=KeptManifest(
                blob=_blob(b"{}", OCI_MANIFEST), layers=tuple(_blob(layer, OCI_LAYER_GZIP) for layer in LAYERS)
            ),
            names=(":2.0",),
        ),
    ),
)


def _registry() -> FakeEcr:
    return FakeEcr(ManualClock(), sizes=EcrRules(part_size=4, smallest_part=2))


def test_a_layer_that_is_there_is_skipped() -> None:
    ecr = _registry()
    name = RepositoryName("team/app")
    ecr.create(SOURCE, name)
    client = ecr.client(SOURCE)
    begun = client.begin_layer(name)
    client.put_part(name, begun.upload_id, 0, LAYERS[0])
    client.complete_layer(name, begun.upload_id, Digest.of(LAYERS[0]))

    found = prospect(CONTENTS, "uploads/team/app/app.tar", client)

    assert found["images"] == [{"repository": "team/app", "tags": ["2.0"]}]
    assert [layer["present"] for layer in found["layers"]] == [True, False]
    assert (found["bytes_to_move"], found["bytes_to_skip"]) == (6, 4)


def test_a_repository_that_is_absent_has_nothing() -> None:
    found = prospect(CONTENTS, "uploads/team/app/app.tar", _registry().client(SOURCE))

    assert found["bytes_to_skip"] == 0


def test_a_key_that_would_be_refused_is_refused() -> None:
    with pytest.raises(RefusedError):
        prospect(CONTENTS, "uploads/app.tar")
