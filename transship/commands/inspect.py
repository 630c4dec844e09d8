"""`transship inspect`: what an archive holds, as the pipeline would read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.errors import FinalError
from chalicelib.names import PROVENANCE
from chalicelib.oci.reference import Registry
from chalicelib.planning.provenance import read_provenance
from chalicelib.ports.bucket import ObjectSource
from chalicelib.ports.registry import RegistryClient
from transship.commands.options import json_option
from transship.errors import ArgumentsError
from transship.file_source import FileSource
from transship.inspection import describe_contents, describe_refusal
from transship.keys import upload_key
from transship.prospect import prospect
from transship.reading import read_whole
from transship.view.archive import show_inspection
from transship.view.screen import print_json


@click.command("inspect")
@click.argument("archive")
@click.option("--repository", help="Show, too, where a push to this repository would bring the images, and how much.")
@click.option("--tag", help="Tag of an image to which the archive gives none.")
@click.option("--registry", help="Ask this registry, ACCOUNT/REGION, which layers it has; with --repository.")
@json_option
def command(archive: str, *, repository: str | None, tag: str | None, registry: str | None, as_json: bool) -> None:
    """
    Show what ARCHIVE (a path, or an s3:// URL) holds: format, images, layers, digests, and what a push would refuse.

    Nothing is uploaded. An archive that is compressed as a whole is read to its end, as a push reads it; else, of
    layers only the place is read, so their digests are what the archive claims. The exit status is 1 for an archive
    that would be refused; the code, the member and the byte offset are shown.
    """
    if registry and not repository:
        raise ArgumentsError("--registry asks about a repository.", "Name it with --repository.")
    key = upload_key(Path(archive), repository=repository, tag=tag) if repository or tag else None
    with _open(archive) as source:
        try:
            reading = read_whole(source, ArchiveLimits(), lambda: _provenance(archive))
            document = describe_contents(archive, source.size, reading.contents, reading.compressed)
            if key:
                document["push"] = prospect(reading.contents, key, _registry(registry) if registry else None)
        except FinalError as error:
            document = describe_refusal(archive, source.size, error)
    if as_json:
        print_json(document)
    else:
        show_inspection(document)
    if document["status"] != "accepted":
        raise SystemExit(1)


def _provenance(archive: str) -> bytes | None:
    """Return the `.prov` beside a chart, None if there is none."""
    beside = f"{archive}{PROVENANCE}"
    if _in_s3(beside):
        from transship.aws import find_s3_source  # noqa: PLC0415

        found = find_s3_source(beside)
        return read_provenance(found) if found else None
    if not Path(beside).is_file():
        return None
    with FileSource(Path(beside)) as source:
        return read_provenance(source)


def _registry(place: str) -> RegistryClient:
    from transship.aws import registry_client  # noqa: PLC0415 - AWS takes longer to import than a file to be read

    try:
        return registry_client(Registry.parse(place))
    except ValueError as error:
        raise ArgumentsError(f"{error}.", "Write ACCOUNT/REGION, as in 111122223333/us-east-1.") from error


@contextmanager
def _open(archive: str) -> Iterator[ObjectSource]:
    if _in_s3(archive):
        from transship.aws import s3_source  # noqa: PLC0415 - AWS takes longer to import than a file to be read

        yield s3_source(archive)
        return
    try:
        source = FileSource(Path(archive))
    except OSError as error:
        raise ArgumentsError(f"{archive}: {error.strerror}", "Give the path of an image archive.") from error
    with source:
        yield source


def _in_s3(archive: str) -> bool:
    return archive.startswith("s3://")
