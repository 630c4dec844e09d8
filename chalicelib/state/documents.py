"""
Where the bytes of a manifest or a config are: in the object, in the record that names them, or in the table.

A document that no range of the object holds (it is ours, or it passed in a compressed stream) travels with its record
if it is small. A larger one is kept beside the records in pieces: an item of the table holds 400 KB, a document 4 MiB.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from chalicelib.byte_range import ByteRange
from chalicelib.errors import TemporaryError
from chalicelib.oci.digest import Digest
from chalicelib.outside import Outside
from chalicelib.ports.table import Item
from chalicelib.replacing import replace
from chalicelib.state.records import Content, ImageRecord
from chalicelib.state.upload import SHAPE, Upload, collection

PREFIX: Final = "document#"
INLINE: Final = 8 << 10
"""Bytes up to which a document stays in its record: 100 records, each with two, fit into one transaction (4 MB)."""
_PIECE: Final = 256 << 10  # bytes; as base64 341 KiB of the item's 400 KB


class DocumentPiece(Struct, frozen=True):
    """The *number*th piece of a document."""

    digest: Digest
    number: int
    content: bytes

    @property
    def sk(self) -> str:
        """Its name in the collection; sorts by number."""
        return f"{PREFIX}{self.digest.hex}#{self.number:03d}"

    def to_item(self) -> Item:
        """Return what is stored."""
        return {"v": SHAPE, "content": base64.b64encode(self.content).decode()}


def laid_out(images: Iterable[ImageRecord]) -> tuple[tuple[ImageRecord, ...], tuple[DocumentPiece, ...]]:
    """Return *images* without the documents that are too large for a record, and those documents in pieces."""
    documents: dict[Digest, bytes] = {}
    slim = tuple(_slim(image, documents) for image in images)
    pieces = tuple(
        DocumentPiece(digest, number, content[start : start + _PIECE])
        for digest, content in documents.items()
        for number, start in enumerate(range(0, len(content), _PIECE))
    )
    return slim, pieces


def _slim(image: ImageRecord, documents: dict[Digest, bytes]) -> ImageRecord:
    config = image.config and replace(image.config, content=_moved(image.config.content, documents))
    if isinstance(image.content, bytes):
        return replace(image, config=config, content=_moved(image.content, documents))
    return replace(image, config=config)


def _moved(content: Content, documents: dict[Digest, bytes]) -> Content:
    if not isinstance(content, bytes) or len(content) <= INLINE:
        return content
    digest = Digest.of(content)
    documents[digest] = content
    return digest


def is_slim(images: Sequence[ImageRecord]) -> bool:
    """Tell whether all of *images* can be stored as they are."""
    return not laid_out(images)[1]


class Documents:
    """The documents of one upload; an object of which ranges are meant is never a compressed one."""

    def __init__(self, outside: Outside, upload: Upload) -> None:
        self._table = outside.table
        self._collection = collection(upload.id)
        self._source = outside.bucket.source(upload.object)

    def read(self, content: Content) -> bytes:
        """
        Return the bytes at *content*.

        Raises:
            FinalError, TemporaryError: as `ObjectSource.read`.
        """
        if isinstance(content, bytes):
            return content
        if isinstance(content, ByteRange):
            return self._source.read(content)
        pieces = self._table.query(self._collection, f"{PREFIX}{content.hex}#")
        if not pieces:
            raise TemporaryError(f"the document {content} is not in the table yet")
        return b"".join(base64.b64decode(piece.item["content"]) for piece in pieces)
