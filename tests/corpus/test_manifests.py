"""The manifests, indexes and configs of containers/image: each taken or refused as its name says."""

import pytest

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.config import parse_config
from chalicelib.oci.manifest import Index, Manifest, parse_manifest
from tests.corpora import CORPUS, names_in, needs_corpus

pytestmark = needs_corpus

FOLDER = "manifests/containers-image"
NAMES = sorted(names_in(FOLDER)) if CORPUS.is_dir() else []

REFUSED = {
    # Not JSON: compressed, or a link that was stored as the text of its path.
    "internal-testdata-non-json.manifest.json": Code.JSON,
    "internal-testdata-schema2-to-schema1-by-docker.json": Code.JSON,
    "manifest-fixtures-non-json.manifest.json": Code.JSON,
    "manifest-fixtures-ociv1.artifact.json": Code.JSON,
    "manifest-fixtures-ociv1.image.index.json": Code.JSON,
    "manifest-fixtures-ociv1.manifest.json": Code.JSON,
    "manifest-fixtures-ociv1nomime.artifact.json": Code.JSON,
    "manifest-fixtures-ociv1nomime.image.index.json": Code.JSON,
    "manifest-fixtures-ociv1nomime.manifest.json": Code.JSON,
    "manifest-fixtures-schema2-to-schema1-by-docker.json": Code.JSON,
    "manifest-fixtures-unknown-version.manifest.json": Code.JSON,
    "manifest-fixtures-v2list.manifest.json": Code.JSON,
    "manifest-fixtures-v2s1-invalid-signatures.manifest.json": Code.JSON,
    "manifest-fixtures-v2s1-unsigned.manifest.json": Code.JSON,
    "manifest-fixtures-v2s1.manifest.json": Code.JSON,
    "manifest-fixtures-v2s2.manifest.json": Code.JSON,
    "manifest-fixtures-v2s2nomime.manifest.json": Code.JSON,
    # Docker's schema 1, signed and not.
    "internal-fixtures-oci1-to-schema1.json": Code.SCHEMA1,
    "internal-fixtures-schema1-for-oci-config.json": Code.SCHEMA1,
    "internal-fixtures-schema1.json": Code.SCHEMA1,
    "internal-fixtures-schema2-to-schema1-by-docker.json": Code.SCHEMA1,
    "internal-testdata-v2s1-invalid-signatures.manifest.json": Code.SCHEMA1,
    "internal-testdata-v2s1-unsigned.manifest.json": Code.SCHEMA1,
    "internal-testdata-v2s1.manifest.json": Code.SCHEMA1,
    "manifest-fixtures-v2s1.everything.json": Code.SCHEMA1,
    # Types that are none, as the names say.
    "internal-fixtures-oci1-invalid-media-type.json": Code.MEDIA_TYPE,
    "internal-fixtures-schema2-invalid-media-type.json": Code.MEDIA_TYPE,
    "manifest-fixtures-ociv1.invalid.mediatype.manifest.json": Code.MEDIA_TYPE,
    # Halfway through a conversion: the config's size is -1.
    "internal-fixtures-schema1-to-oci1.json": Code.SIZE,
    "internal-fixtures-schema1-to-schema2.json": Code.SIZE,
    # An empty digest.
    "internal-testdata-ociv1.artifact.json": Code.DIGEST_FORM,
    "internal-testdata-ociv1nomime.artifact.json": Code.DIGEST_FORM,
    # A schemaVersion that is none.
    "internal-testdata-unknown-version.manifest.json": Code.MANIFEST_FORM,
}
CONFIGS = {name for name in NAMES if name.endswith("-config.json") and name not in REFUSED} | {
    "internal-fixtures-oci1-config-extra-fields.json",
    "internal-fixtures-oci1-config.json",
}
INDEXES = {name for name in NAMES if ("index" in name or "list" in name) and name not in REFUSED}


@pytest.mark.parametrize("name", NAMES)
def test_verdict(name: str) -> None:
    raw = (CORPUS / FOLDER / name).read_bytes()

    if name in CONFIGS:
        assert parse_config(raw).diff_ids
    elif name in REFUSED:
        with pytest.raises(RefusedError) as caught:
            parse_manifest(raw)
        assert caught.value.code is REFUSED[name]
    else:
        assert isinstance(parse_manifest(raw), Index if name in INDEXES else Manifest)
