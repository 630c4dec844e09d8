"""
Pushes one compressed layer and keeps its place in a file, as a function keeps it in the table; it may be killed.

    python -m tests.aws.pushing_child OBJECT.json PROGRESS.json

Prints what was stored. OBJECT.json holds the object's version, the repository and the layer's diff_id.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.s3 import S3Bucket
from chalicelib.aws.session import Session
from chalicelib.byte_range import ByteRange
from chalicelib.meter import Meter
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.transfer.encoding import Encoding, Method
from chalicelib.transfer.job import LayerJob, LayerTask, Route, StoredLayer
from chalicelib.transfer.layers import store_layers
from chalicelib.transfer.progress import LayerProgress


def main(described: Path, place: Path) -> None:
    wanted = json.loads(described.read_text())
    version = ObjectVersion(**wanted["object"])
    session, meter, home = Session(), Meter(), Registry.parse(wanted["registry"])

    def save(progress: LayerProgress) -> None:
        written = place.with_suffix(".new")
        written.write_text(json.dumps(progress.to_item()))
        written.replace(place)

    task = LayerTask(
        job=LayerJob(
            content=ByteRange(0, version.size),
            encoding=Encoding(Method.GZIP),
            diff_id=Digest.parse(wanted["diff_id"]),
        ),
        progress=LayerProgress.from_item(json.loads(place.read_text())) if place.exists() else None,
        save=save,
    )
    route = Route(
        source=S3Bucket(session, version.bucket, home.account, meter).source(version),
        registry=EcrRegistries(session, home.account, meter=meter).client(home),
        repository=RepositoryName(wanted["repository"]),
        meter=meter,
    )
    (stored,) = store_layers([task], route)
    assert isinstance(stored, StoredLayer)
    print(json.dumps({"digest": str(stored.digest), "size": stored.size, **meter.totals()}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
