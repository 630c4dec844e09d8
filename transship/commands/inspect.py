"""`transship inspect`: what an archive holds, as the pipeline would read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from chalicelib.archive.read import ArchiveLimits, read_archive
from chalicelib.errors import FinalError
from chalicelib.ports import ObjectSource
from transship.commands.options import json_option
from transship.errors import ArgumentsError
from transship.file_source import FileSource
from transship.inspection import describe_contents, describe_refusal
from transship.view.archive import show_inspection
from transship.view.screen import print_json


@click.command("inspect")
@click.argument("archive")
@json_option
def command(archive: str, *, as_json: bool) -> None:
    """
    Show what ARCHIVE (a path, or an s3:// URL) holds: format, images, layers, digests, and what a push would refuse.

    Nothing is uploaded; of layers only the place is read, so their digests are what the archive claims. The exit
    status is 1 for an archive that would be refused; the code, the member and the byte offset are shown.
    """
    with _open(archive) as source:
        try:
            document = describe_contents(archive, source.size, read_archive(source, ArchiveLimits()))
        except FinalError as error:
            document = describe_refusal(archive, source.size, error)
    if as_json:
        print_json(document)
    else:
        show_inspection(document)
    if document["status"] != "accepted":
        raise SystemExit(1)


@contextmanager
def _open(archive: str) -> Iterator[ObjectSource]:
    if archive.startswith("s3://"):
        from transship.aws import s3_source  # noqa: PLC0415 - boto3 takes longer to import than a file to be read

        yield s3_source(archive)
        return
    try:
        source = FileSource(Path(archive))
    except OSError as error:
        raise ArgumentsError(f"{archive}: {error.strerror}", "Give the path of an image archive.") from error
    with source:
        yield source
