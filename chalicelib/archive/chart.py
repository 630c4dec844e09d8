"""
Helm charts: a `.tgz` in, the OCI artifact that `helm push` would store out.

The file is kept as it is, as the only layer (and its `.prov` as a second); the config is Chart.yaml as JSON. Helm also
annotates the time of the push; we do not, so that a chart always has the same digest.

A chart is small (see `ArchiveLimits.chart`), so it is read whole, once. Its Chart.yaml must be the first, by depth:
those of subcharts lie deeper.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from chalicelib.archive.bundles import is_chart_without_metadata
from chalicelib.archive.chart_metadata import ChartMetadata, parse_chart
from chalicelib.archive.contents import ArchiveContents, ArchiveImage, Blob, KeptManifest
from chalicelib.archive.inflate import Inflated
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Kind, Member, blaming
from chalicelib.archive.recognise import GZIP
from chalicelib.archive.stream import Stream
from chalicelib.archive.tar_walk import members_of
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.oci import media_type as types
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.ports.bucket import ObjectSource
from chalicelib.replacing import replace

CONFIG: Final = "application/vnd.cncf.helm.config.v1+json"
CONTENT: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE: Final = "application/vnd.cncf.helm.chart.provenance.v1.prov"

_METADATA: Final = "Chart.yaml"
_SIGNED: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"


def read_chart(source: ObjectSource, limits: ArchiveLimits, provenance: bytes | None = None) -> ArchiveContents | None:
    """
    Return the artifact of a chart, or None if *source* (which is gzip) is no chart.

    Args:
        source: The object.
        limits: All bounds.
        provenance: Content of the `.prov` beside it, if there is one.

    Raises:
        RefusedError: CHART_METADATA, CHART_NAME, CHART_SIZE, CHART_MEMBER, CHART_PROVENANCE, BOMB, COMPRESSION and
            the tar's own codes, once it is known to be a chart.
    """
    if source.size > limits.chart:
        return None
    everything = ByteRange(0, source.size)
    raw = source.read(everything)
    search = _Search(raw, limits)
    metadata = search.run()
    if metadata is None:
        return None
    with blaming(search.found):
        parsed = parse_chart(metadata)
    return ArchiveContents(kind="chart", images=(_artifact(parsed, raw, provenance),), producer="Helm")


class _Search(Struct):
    """One pass over a chart: finds Chart.yaml and, if it is there, checks everything else."""

    raw: bytes
    limits: ArchiveLimits
    metadata: bytes | None = None
    found: Member | None = None
    trouble: RefusedError | None = None
    names: list[str] = field(default_factory=list)

    def run(self) -> bytes | None:
        inflated = Inflated(io.BytesIO(self.raw), GZIP, replace(self.limits, inflated=self.limits.inflated_chart))
        stream = Stream(inflated)
        try:
            for member in members_of(stream, self.limits, backslashes=True):
                self._look(member, stream)
                if self.metadata is None and inflated.count > self.limits.chart_search:
                    return None
        except RefusedError:
            if self.metadata is None:
                return None  # whatever it is, it is refused as that
            raise
        if self.metadata is None and is_chart_without_metadata(self.names):
            raise RefusedError(Code.CHART_METADATA, "the object is a Helm chart without Chart.yaml")
        if self.metadata is not None and self.trouble:
            raise self.trouble
        return self.metadata

    def _look(self, member: Member, stream: Stream) -> None:
        self.names.append(member.name)
        folder, _, path = member.name.partition("/")
        if path == _METADATA and folder and member.kind is Kind.FILE:
            self._take(member, stream)
        for code, detail in self._faults(member):
            self.trouble = self.trouble or RefusedError(code, detail, member=member.name, offset=member.offset)

    def _take(self, member: Member, stream: Stream) -> None:
        if member.content.length > self.limits.chart_metadata:
            detail = f"Chart.yaml has more than {self.limits.chart_metadata} bytes"
            self.metadata = b""
            self.trouble = RefusedError(Code.CHART_SIZE, detail, member=member.name, offset=member.offset)
        elif self.metadata is not None:
            detail = "the archive holds more than one chart"
            self.trouble = RefusedError(Code.CHART_MEMBER, detail, member=member.name, offset=member.offset)
        else:
            self.metadata, self.found = stream.read(member.content), member

    def _faults(self, member: Member) -> Iterator[tuple[Code, str]]:
        if member.kind not in (Kind.FILE, Kind.DIRECTORY):
            yield Code.CHART_MEMBER, "the chart holds a link or a device"
        if member.kind is Kind.FILE and "/" not in member.name:
            yield Code.CHART_MEMBER, "a file of the chart is outside its folder"
        if member.content.length > self.limits.chart_file:
            yield Code.CHART_SIZE, f"a file of the chart has more than {self.limits.chart_file} bytes"


def _artifact(chart: ChartMetadata, raw: bytes, provenance: bytes | None) -> ArchiveImage:
    config = _blob(CONFIG, chart.config)
    content = Blob(
        descriptor=Descriptor(media_type=CONTENT, digest=Digest.of(raw), size=len(raw)),
        content=ByteRange(0, len(raw)),
    )
    layers = [content]
    if provenance is not None:
        _check_provenance(provenance, content.descriptor.digest)
        layers.append(_blob(PROVENANCE, provenance))
    manifest = {
        "schemaVersion": 2,
        "mediaType": types.OCI_MANIFEST,
        "config": config.descriptor.to_json(),
        "layers": [layer.descriptor.to_json() for layer in layers],
        "annotations": dict(chart.annotations),
    }
    text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()
    kept = KeptManifest(blob=_blob(types.OCI_MANIFEST, text), config=config, layers=tuple(layers), artifact_type=CONFIG)
    return ArchiveImage(manifest=kept, names=(f"{chart.name}:{chart.tag}",))


def _blob(media_type: str, content: bytes) -> Blob:
    return Blob(
        descriptor=Descriptor(media_type=media_type, digest=Digest.of(content), size=len(content)), content=content
    )


def _check_provenance(provenance: bytes, digest: Digest) -> None:
    """Demand that a provenance file speaks of this chart; whose signature it bears is not judged here."""
    sums = re.findall(rb"^ +\S+\.tgz: sha256:([0-9a-f]{64})$", provenance, re.MULTILINE)
    if not provenance.startswith(_SIGNED) or sums != [digest.hex.encode()]:
        raise RefusedError(Code.CHART_PROVENANCE, "the provenance file names another chart, or is none")
