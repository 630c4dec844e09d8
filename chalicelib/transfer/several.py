"""
Several repositories as one, for a layer that all of them need and whose bytes pass once.

Each call goes to each of them in turn; what ECR holds is what the one that is furthest behind holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from chalicelib.errors import PartOutOfOrder, TemporaryError
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.layers import Availability, LayerStore, LayerUpload, PartBuffer


class SeveralRepositories:
    """
    All of *names* as one; implements `LayerStore`. The name in a call is not looked at.

    An upload's id is the object of theirs, by name; one that was begun with more repositories still fits.
    """

    def __init__(self, store: LayerStore, names: Sequence[RepositoryName]) -> None:
        self._store = store
        self._names = tuple(names)

    def availability(self, _name: RepositoryName, digests: Collection[Digest]) -> Mapping[Digest, Availability]:
        """Tell for each of *digests* whether all hold it."""
        answers = [self._store.availability(name, digests) for name in self._names]
        return {digest: _least(answer[digest] for answer in answers) for digest in digests}

    def begin_layer(self, _name: RepositoryName) -> LayerUpload:
        """Begin an upload in each."""
        begun = [self._store.begin_layer(name) for name in self._names]
        if len({upload.part_size for upload in begun}) > 1:
            raise TemporaryError("the registry asks for parts of different sizes")
        theirs = {str(name): upload.upload_id for name, upload in zip(self._names, begun, strict=True)}
        return LayerUpload(json.dumps(theirs), begun[0].part_size)

    def began(self, upload_id: str) -> bool:
        """Tell whether *upload_id* is one of all of these repositories."""
        return {str(name) for name in self._names} <= set(json.loads(upload_id))

    def part_buffer(self, capacity: int) -> PartBuffer:
        """Return one buffer, which is sent to each."""
        return self._store.part_buffer(capacity)

    def put_part(self, _name: RepositoryName, upload_id: str, first_byte: int, part: bytes | PartBuffer) -> int:
        """Send the part to each that lacks it; return the last byte that all hold."""
        theirs = json.loads(upload_id)
        return min(self._put_part(name, theirs[str(name)], first_byte, part) for name in self._names)

    def _put_part(self, name: RepositoryName, own: str, first_byte: int, part: bytes | PartBuffer) -> int:
        try:
            return self._store.put_part(name, own, first_byte, part)
        except PartOutOfOrder as answer:
            # One that was ahead of the others, because the last call was cut off between them.
            if answer.last_valid_byte is not None and answer.last_valid_byte >= first_byte + len(part) - 1:
                return answer.last_valid_byte
            raise

    def complete_layer(self, _name: RepositoryName, upload_id: str, digest: Digest) -> None:
        """Turn the parts into a blob in each; one that has it already is complete."""
        theirs = json.loads(upload_id)
        for name in self._names:
            if len(self._names) == 1 or not self._is_there(name, digest):
                self._store.complete_layer(name, theirs[str(name)], digest)

    def _is_there(self, name: RepositoryName, digest: Digest) -> bool:
        return self._store.availability(name, [digest])[digest] is Availability.AVAILABLE


def _least(answers: Iterable[Availability]) -> Availability:
    return next((answer for answer in answers if answer is not Availability.AVAILABLE), Availability.AVAILABLE)
