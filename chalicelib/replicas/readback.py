"""
Reading images back where they must be: manifests by digest, tags with the digest, config and layers of each manifest.

A manifest proves itself, its bytes have the digest that was asked for; so what it names is what to look for.
Several images of one repository share their calls: BatchGetImage and BatchCheckLayerAvailability take 100 each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chalicelib.chunks import chunked
from chalicelib.errors import Code, FinalError, RepositoryAbsent
from chalicelib.oci.digest import Digest
from chalicelib.oci.media_type import is_foreign
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.layers import Availability
from chalicelib.ports.registry import ImageAnswer, RegistryClient
from chalicelib.replacing import replace
from chalicelib.replicas.destinations import Lack, Reading, judge
from chalicelib.replicas.family import Family

_MOST: Final = 100  # images of one BatchGetImage, digests of one BatchCheckLayerAvailability (ecr.md 1.1, 1.6)


def read_back(reader: RegistryClient, name: RepositoryName, found: Sequence[Family]) -> dict[int, Reading]:
    """
    Read families of one repository back; the result is by the numbers of their roots.

    Raises:
        TemporaryError: The registry did not answer.
        FinalError: ACCESS_DENIED.
    """
    try:
        answers = _ask(reader, name, found)
        held = _availability(reader, name, [answer for own in answers.values() for answer in own])
    except RepositoryAbsent:
        return _all(found, Lack.REPOSITORY)
    except FinalError as error:
        if error.code is not Code.KMS:
            raise
        return _all(found, Lack.KEY)
    return {family.root.number: _reading(family, answers[family.root.number], held) for family in found}


def _all(found: Sequence[Family], lack: Lack) -> dict[int, Reading]:
    nothing = Reading(digest_verified=False, tags_verified=False, failure=lack)
    return {family.root.number: nothing for family in found}


def _ask(reader: RegistryClient, name: RepositoryName, found: Sequence[Family]) -> dict[int, list[ImageAnswer]]:
    asked = list(dict.fromkeys(query for family in found for query in family.queries()))
    answers = {answer.query: answer for chunk in chunked(asked, _MOST) for answer in reader.images(name, chunk)}
    return {family.root.number: [answers[query] for query in family.queries()] for family in found}


def _availability(
    reader: RegistryClient, name: RepositoryName, answers: Sequence[ImageAnswer]
) -> Mapping[Digest, Availability]:
    wanted = list(dict.fromkeys(digest for answer in answers for digest in _blobs(answer)))
    held: dict[Digest, Availability] = {}
    for chunk in chunked(wanted, _MOST):
        held.update(reader.availability(name, chunk))
    return held


def _reading(family: Family, answers: Sequence[ImageAnswer], held: Mapping[Digest, Availability]) -> Reading:
    reading = judge(answers, family.digest)
    blobs = {digest for answer in answers for digest in _blobs(answer)}
    lacking = [held[digest] for digest in blobs if held[digest] is not Availability.AVAILABLE]
    reading = replace(reading, checks={**reading.checks, "blobs": len(blobs) - len(lacking)})
    if not lacking:
        return reading
    word = Lack.ARCHIVED if Availability.ARCHIVED in lacking else Lack.LAYER
    return replace(reading, digest_verified=False, failure=word if reading.digest_verified else reading.failure)


def _blobs(answer: ImageAnswer) -> Iterator[Digest]:
    """Yield the config and the layers that a manifest demands; a tag's answer repeats the manifest's."""
    if answer.manifest is None or answer.query.tag is not None or Digest.of(answer.manifest) != answer.query.digest:
        return
    for described in _described(json.loads(answer.manifest)):
        if not is_foreign(str(described.get("mediaType", ""))):
            yield Digest.parse(described["digest"])


def _described(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if isinstance(manifest.get("config"), dict):
        yield manifest["config"]
    yield from manifest.get("layers") or ()
