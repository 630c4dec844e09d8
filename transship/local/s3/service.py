"""
The object plane of S3 in front of moto's.

Whatever carries an object's bytes is answered here; buckets, lists, deletions, tags and uploads as such stay moto's
(docs/decisions/0010-object-plane-of-our-own.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transship.local.caller import AccessDenied, AccessRequest
from transship.local.protocol import Answer
from transship.local.protocol_error import AwsError
from transship.local.resources import bucket_policies
from transship.local.s3.buckets import open_bucket
from transship.local.s3.content import ContentStore
from transship.local.s3.deletion import delete_objects
from transship.local.s3.multipart import Multipart
from transship.local.s3.objects import Objects

if TYPE_CHECKING:
    from pathlib import Path

    from moto.s3.models import FakeBucket

    from transship.local.caller import Authorizer, Caller
    from transship.local.protocol import AwsRequest
    from transship.local.s3.notifications import Notifier


class S3Service:
    """Answers the calls that carry bytes, and checks every bucket's owner."""

    def __init__(self, data_dir: Path, notifier: Notifier, authorizer: Authorizer) -> None:
        """
        Compose the plane.

        Args:
            data_dir: For the bytes.
            notifier: Told of every new object.
            authorizer: Asked whether a caller may learn that a key does not exist, or delete one of many.
        """
        store = ContentStore(data_dir)
        objects = Objects(store, notifier)
        multipart = Multipart(store, objects)
        self._authorizer = authorizer
        self._calls = {
            "CompleteMultipartUpload": multipart.complete,
            "CopyObject": objects.copy,
            "GetObject": objects.get,
            "HeadObject": objects.get,
            "PutObject": objects.put,
            "UploadPart": multipart.put,
            "UploadPartCopy": multipart.copy,
        }

    def __call__(self, request: AwsRequest, caller: Caller) -> Answer | None:
        """
        Answer *request*, or return None to leave it to moto.

        Raises:
            AwsError: As S3 would refuse it.
        """
        name = request.params.get("Bucket")
        if name is None or request.operation == "CreateBucket":
            return None
        bucket = open_bucket(name, request.headers.get("x-amz-expected-bucket-owner"))
        if request.operation == "DeleteObjects":
            return delete_objects(request, bucket, caller, self._authorizer)
        call = self._calls.get(request.operation)
        if call is None:
            return None
        try:
            return call(request, bucket)
        except AwsError as error:
            if error.code == "NoSuchKey" and not self._may_list(caller, bucket):
                raise AwsError("AccessDenied", _hidden(caller, bucket), 403) from error
            raise

    def _may_list(self, caller: Caller, bucket: FakeBucket) -> bool:
        """Whether *caller* may learn that a key does not exist ("GetObject", permissions, Amazon S3 API Reference)."""
        policies = bucket_policies(bucket.name)
        request = AccessRequest("s3:ListBucket", bucket.arn, bucket.account_id, resource_policies=policies)
        try:
            self._authorizer.authorize(caller, request)
        except AccessDenied:
            return False
        return True


def _hidden(caller: Caller, bucket: FakeBucket) -> str:
    return (
        f'User: {caller.arn} is not authorized to perform: s3:ListBucket on resource: "{bucket.arn}" '
        "because no identity-based policy allows the s3:ListBucket action"
    )
