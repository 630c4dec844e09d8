"""Putting an archive into the bucket of uploads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.names import PROVENANCE
from chalicelib.ports.bucket import ObjectVersion
from transship.deployment import owned
from transship.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIB: Final = 1 << 20
_TRANSFER: Final = TransferConfig(multipart_threshold=16 * _MIB, multipart_chunksize=16 * _MIB, max_concurrency=4)
_CHART: Final = ".tgz"
_LAST_CALLS: Final = ("PutObject", "CompleteMultipartUpload")


def send(s3: Any, archive: Path, bucket: str, key: str, on_bytes: Callable[[int], None]) -> ObjectVersion:
    """
    Upload *archive* in parts and return the version that it has become; *on_bytes* is told of each piece sent.

    What signs a chart, the `.prov` beside it, goes first, so that the chart is read with it.

    Raises:
        CommandError: The bucket did not take it.
    """
    signature = Path(f"{archive}{PROVENANCE}")
    if archive.suffix == _CHART and signature.is_file():
        _put(s3, signature, bucket, f"{key}{PROVENANCE}", lambda _: None)
    with _answers(s3) as answers:
        _put(s3, archive, bucket, key, on_bytes)
    return ObjectVersion(
        bucket=bucket,
        key=key,
        version_id=answers[-1].get("VersionId", ""),
        etag=answers[-1]["ETag"].strip('"'),
        size=archive.stat().st_size,
    )


def _put(s3: Any, file: Path, bucket: str, key: str, on_bytes: Callable[[int], None]) -> None:
    try:
        s3.upload_file(str(file), bucket, key, ExtraArgs=owned(bucket), Callback=on_bytes, Config=_TRANSFER)
    except (S3UploadFailedError, BotoCoreError, ClientError) as error:
        raise CommandError(
            f"{file.name} could not be uploaded: {error}",
            f"You need s3:PutObject on arn:aws:s3:::{bucket}/{key}; ask the operator, or give --bucket and --key.",
        ) from error


@contextmanager
def _answers(s3: Any) -> Iterator[list[dict[str, Any]]]:
    """Collect what S3 says at the end of an upload: `upload_file` drops it, and a later look may find another's."""
    answers: list[dict[str, Any]] = []

    def note(parsed: dict[str, Any], **_: Any) -> None:
        answers.append(parsed)

    for operation in _LAST_CALLS:
        s3.meta.events.register(f"after-call.s3.{operation}", note, unique_id=f"transship-{operation}")
    try:
        yield answers
    finally:
        for operation in _LAST_CALLS:
            s3.meta.events.unregister(f"after-call.s3.{operation}", unique_id=f"transship-{operation}")
