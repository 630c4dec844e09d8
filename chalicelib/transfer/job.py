"""What the engine is asked to do, and what it answers."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from chalicelib.byte_range import ByteRange
from chalicelib.meter import Meter
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.bucket import ObjectSource
from chalicelib.ports.layers import LayerStore
from chalicelib.transfer.encoding import KEEP, Encoding
from chalicelib.transfer.progress import LayerProgress


class LayerJob(Struct, frozen=True, kw_only=True):
    """
    A layer, or any other blob, that the repository lacks.

    Attributes:
        content: Where its bytes are, or the bytes.
        encoding: What is done to them on the way.
        digest: Of the bytes as they are, where they are kept.
        size: Of the bytes as they are, where they are kept.
        diff_id: Digest of the bytes as they are, where we compress them; of what they inflate to, where *packed*.
        packed: How bytes that are kept are compressed (`gzip`, `zstd`), if their diff_id is to be checked.
    """

    content: ByteRange | bytes
    encoding: Encoding = KEEP
    digest: Digest | None = None
    size: int | None = None
    diff_id: Digest | None = None
    packed: str = ""

    @property
    def length(self) -> int:
        """Bytes to read."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.length


class StoredLayer(Struct, frozen=True):
    """A blob that ECR has accepted: its *digest* and *size* as pushed, and what it was made of if we compressed it."""

    digest: Digest
    size: int
    diff_id: Digest | None = None


class Paused(Struct, frozen=True):
    """The layer is to be continued from *progress*, or begun if that is None."""

    progress: LayerProgress | None


class LayerTask(Struct, frozen=True, kw_only=True):
    """
    A job, where it stands, and whom to tell. Both functions are called from the engine's threads.

    Attributes:
        progress: What an earlier invocation saved.
        save: Called whenever ECR has taken a part that is not the whole layer, and when an upload is begun in place of
            one that was saved; what it raises ends the push.
        stored: Called once, when ECR has accepted the layer.
    """

    job: LayerJob
    progress: LayerProgress | None = None
    save: Callable[[LayerProgress], None] = field(default=lambda _: None)
    stored: Callable[[StoredLayer], None] = field(default=lambda _: None)


class TransferOptions(Struct, frozen=True, kw_only=True):
    """
    Bounds of a push.

    Peak memory above the interpreter's is `(layers_at_once + spare_buffers) * 4/3 * part size`: for each layer the part
    that is sent, and the parts that are filled meanwhile, each in the form of a request's body; plus, a layer, at most
    2/3 of a part for the copy of a short last one, and 6 MiB for what is between two buffers: a block of 1 MiB, room
    for twice as much and what it became, a piece of base64, and the compressor's tables. ECR's part size is 10 MiB:
    105 MiB by default.

    Attributes:
        layers_at_once: Layers in flight.
        spare_buffers: Parts of all layers that may be filled while others are sent; as many as there are cores.
        restarts: How often a layer may start again before the push gives up for now.
        reconnects: How often in a row a broken connection to the source is made again.
    """

    layers_at_once: int = 3
    spare_buffers: int = 2
    restarts: int = 2
    reconnects: int = 5

    @property
    def buffers(self) -> int:
        """Parts that may be in memory."""
        return self.layers_at_once + self.spare_buffers


def _never() -> bool:
    return False


class Route(Struct, frozen=True, kw_only=True):
    """
    From where to where layers go.

    Attributes:
        out_of_time: Asked before each part; once it is true, layers pause.
        longest: Bytes to read of the longest layer on the way.
    """

    source: ObjectSource
    registry: LayerStore
    repository: RepositoryName
    out_of_time: Callable[[], bool] = _never
    longest: int = 0
    options: TransferOptions = field(default_factory=TransferOptions)
    meter: Meter = field(default_factory=Meter)
