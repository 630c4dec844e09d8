"""Following an upload by its receipt, with no rights but on the bucket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.outcome.receipt import receipt_key
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.state.upload import upload_id
from transship.deployment import owned
from transship.errors import CommandError
from transship.keys import PREFIX

POLL_SECONDS: Final = 2.0
"""Between two looks: a GET of S3 each."""
_NOT_YET: Final = frozenset({"NoSuchKey", "404", "AccessDenied", "403"})
"""Without s3:ListBucket S3 calls an object that is not there forbidden."""


def follow_receipt(
    s3: Any,
    sent: ObjectVersion,
    show: Callable[[dict[str, Any]], None],
    *,
    patience: float,
    prefix: str = PREFIX,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """
    Read the receipt of *sent* until it says that the upload has ended, and return it.

    Args:
        s3: A client.
        sent: What was uploaded.
        show: Is given each receipt that differs from the last.
        patience: Seconds until giving up.
        prefix: Of all uploads.
        clock: Seconds, from whenever.
        sleep: Waits.

    Raises:
        CommandError: *patience* is over, or S3 refuses.
    """
    key = receipt_key(sent.key, upload_id(sent, prefix), prefix)
    start, last = clock(), None
    while True:
        found = _read(s3, sent.bucket, key)
        if found and found != last:
            show(found)
        if found and found["ended"]:
            return found
        if clock() - start > patience:
            raise _given_up(sent.bucket, key, found, patience)
        last = found
        sleep(POLL_SECONDS)


def _read(s3: Any, bucket: str, key: str) -> dict[str, Any] | None:
    try:
        answer = s3.get_object(Bucket=bucket, Key=key, **owned(bucket))
        document: dict[str, Any] = json.loads(answer["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_YET:
            return None
        raise CommandError(f"The receipt {key} cannot be read: {error}", f"Look at the bucket {bucket}.") from error
    except BotoCoreError as error:
        raise CommandError(f"S3 does not answer: {error}", "Check AWS_PROFILE and the network.") from error
    return document


def _given_up(bucket: str, key: str, found: dict[str, Any] | None, patience: float) -> CommandError:
    if found is None:
        return CommandError(
            f"There is no receipt s3://{bucket}/{key} after {patience:.0f} s.",
            "Ask the operator whether TRANSSHIP_RECEIPTS is on and the bucket's policy lets you read it.",
        )
    return CommandError(
        f"The upload is still {found['state']} after {patience:.0f} s.", f"It goes on; see s3://{bucket}/{key}."
    )


def describe_receipt(found: dict[str, Any]) -> str:
    """Return a receipt in one line."""
    places = [place for image in found["images"] for place in image["destinations"]]
    verified = sum(place["status"] == "verified" for place in places)
    text = f"{found['state']}, {verified} of {len(places)} destinations verified" if places else str(found["state"])
    return f"{text}: {found['code']}: {found['detail']}" if "code" in found else text
