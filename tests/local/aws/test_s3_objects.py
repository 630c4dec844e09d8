"""Objects through a real boto3 client: what is stored, what conditions and ranges give, what is refused."""

from __future__ import annotations

import base64
import gc
import hashlib
import http.client
import io
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transship.local.stack import LocalAws

    Clients = Callable[..., Any]

MIB = 1 << 20
LETTERS = bytes(range(256)) * 4


@pytest.fixture(name="s3", scope="module")
def _s3(clients: Clients) -> Any:
    client = clients("s3")
    client.create_bucket(Bucket="plain")
    client.create_bucket(Bucket="kept")
    client.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    return client


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_object_comes_back_as_it_was_put(s3: Any) -> None:
    put = s3.put_object(
        Bucket="plain", Key="a b/ü+%.tar", Body=LETTERS, ContentType="application/x-tar", Metadata={"who": "me"}
    )

    got = s3.get_object(Bucket="plain", Key="a b/ü+%.tar")

    assert got["Body"].read() == LETTERS
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(LETTERS).hexdigest()}"'  # noqa: S324 - S3's ETag
    assert (got["ContentType"], got["Metadata"], got["ContentLength"]) == ("application/x-tar", {"who": "me"}, 1024)
    assert s3.list_objects_v2(Bucket="plain", Prefix="a b/")["Contents"][0]["Key"] == "a b/ü+%.tar"


def test_empty_object_is_an_object(s3: Any) -> None:
    s3.put_object(Bucket="plain", Key="empty", Body=b"")

    assert s3.get_object(Bucket="plain", Key="empty")["Body"].read() == b""
    assert refusal(s3.get_object, Bucket="plain", Key="empty", Range="bytes=0-0") == ("InvalidRange", 416)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", LETTERS[:1]),
        ("bytes=5-9", LETTERS[5:10]),
        ("bytes=1000-", LETTERS[1000:]),
        ("bytes=-24", LETTERS[-24:]),
        ("bytes=1000-99999", LETTERS[1000:]),
        ("bytes=-99999", LETTERS),
        ("bytes=9-5", LETTERS),
        ("bytes=0-1,4-5", LETTERS),
        ("lines=0-1", LETTERS),
    ],
)
def test_range_gives_its_bytes(s3: Any, text: str, expected: bytes) -> None:
    s3.put_object(Bucket="plain", Key="letters", Body=LETTERS)

    got = s3.get_object(Bucket="plain", Key="letters", Range=text)

    assert got["Body"].read() == expected
    assert got["ContentLength"] == len(expected)
    if got["ResponseMetadata"]["HTTPStatusCode"] == 206:
        assert got["ContentRange"].endswith(f"/{len(LETTERS)}")


def test_range_beyond_the_end_is_refused(s3: Any) -> None:
    s3.put_object(Bucket="plain", Key="letters", Body=LETTERS)

    assert refusal(s3.get_object, Bucket="plain", Key="letters", Range="bytes=1024-") == ("InvalidRange", 416)
    assert refusal(s3.get_object, Bucket="plain", Key="letters", Range="bytes=-0") == ("InvalidRange", 416)


def test_version_range_and_condition_hold_together(s3: Any) -> None:
    old = s3.put_object(Bucket="kept", Key="k", Body=b"old bytes")
    new = s3.put_object(Bucket="kept", Key="k", Body=b"new bytes")
    which = {"Bucket": "kept", "Key": "k", "VersionId": old["VersionId"], "Range": "bytes=0-2"}

    got = s3.get_object(**which, IfMatch=old["ETag"], ExpectedBucketOwner=SOURCE_ACCOUNT)

    assert (got["Body"].read(), got["VersionId"], got["ContentRange"]) == (b"old", old["VersionId"], "bytes 0-2/9")
    assert refusal(s3.get_object, **which, IfMatch=new["ETag"]) == ("PreconditionFailed", 412)
    assert refusal(s3.get_object, **which, IfNoneMatch=old["ETag"]) == ("304", 304)
    assert refusal(s3.get_object, **which, ExpectedBucketOwner=OTHER_ACCOUNT) == ("AccessDenied", 403)


def test_missing_things_are_named(s3: Any) -> None:
    s3.put_object(Bucket="kept", Key="gone", Body=b"x")
    marker = s3.delete_object(Bucket="kept", Key="gone")

    assert refusal(s3.get_object, Bucket="no-such-bucket", Key="k") == ("NoSuchBucket", 404)
    assert refusal(s3.get_object, Bucket="plain", Key="none") == ("NoSuchKey", 404)
    assert refusal(s3.get_object, Bucket="kept", Key="gone") == ("NoSuchKey", 404)
    assert refusal(s3.get_object, Bucket="kept", Key="gone", VersionId="x") == ("NoSuchVersion", 404)
    assert refusal(s3.get_object, Bucket="kept", Key="gone", VersionId=marker["VersionId"]) == (
        "MethodNotAllowed",
        405,
    )
    assert refusal(s3.head_object, Bucket="plain", Key="none") == ("404", 404)


def test_other_owner_is_refused_by_every_call(s3: Any) -> None:
    wrong = {"Bucket": "plain", "ExpectedBucketOwner": OTHER_ACCOUNT}

    assert refusal(s3.put_object, Key="k", Body=b"", **wrong) == ("AccessDenied", 403)
    assert refusal(s3.list_objects_v2, **wrong) == ("AccessDenied", 403)
    assert refusal(s3.get_bucket_versioning, **wrong) == ("AccessDenied", 403)


def test_conditional_puts_are_decided_by_what_is_there(s3: Any) -> None:
    first = s3.put_object(Bucket="plain", Key="once", Body=b"1", IfNoneMatch="*")

    assert refusal(s3.put_object, Bucket="plain", Key="once", Body=b"2", IfNoneMatch="*") == (
        "PreconditionFailed",
        412,
    )
    s3.put_object(Bucket="plain", Key="once", Body=b"2", IfMatch=first["ETag"])
    assert refusal(s3.put_object, Bucket="plain", Key="once", Body=b"3", IfMatch=first["ETag"]) == (
        "PreconditionFailed",
        412,
    )
    assert refusal(s3.put_object, Bucket="plain", Key="never", Body=b"3", IfMatch="x") == ("NoSuchKey", 404)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksum_of_the_client_is_kept_and_returned(s3: Any, algorithm: str) -> None:
    put = s3.put_object(Bucket="plain", Key="sum", Body=LETTERS, ChecksumAlgorithm=algorithm)

    head = s3.head_object(Bucket="plain", Key="sum", ChecksumMode="ENABLED")

    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert head["ChecksumType"] == "FULL_OBJECT"


def test_wrong_checksums_are_refused_and_nothing_is_stored(s3: Any) -> None:
    wrong = base64.b64encode(bytes(4)).decode()
    digest = base64.b64encode(bytes(16)).decode()

    assert refusal(s3.put_object, Bucket="plain", Key="bad", Body=b"x", ChecksumCRC32=wrong) == ("BadDigest", 400)
    assert refusal(s3.put_object, Bucket="plain", Key="bad", Body=b"x", ContentMD5=digest) == ("BadDigest", 400)
    assert refusal(s3.head_object, Bucket="plain", Key="bad") == ("404", 404)


def _send(aws: Any, headers: dict[str, str], body: Any) -> tuple[int, bytes]:
    """Put an object by hand, signed up to the first chunk."""
    keys = aws.administrator(SOURCE_ACCOUNT)
    request = AWSRequest("PUT", f"{aws.endpoint_url}/plain/streamed", headers)
    _Seed(Credentials(keys.access_key, keys.secret_key), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"))
    connection.request("PUT", "/plain/streamed", body, dict(request.headers.items()))
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


class _Seed(S3SigV4Auth):
    """Signs a stream's headers, with what stands there for the hash of its payload."""

    def payload(self, request: Any) -> str:
        del request
        return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


def aws_chunked(data: bytes, checksum: bytes) -> bytes:
    chunks = b"".join(
        b"%x;chunk-signature=%064d\r\n%b\r\n" % (len(data[i : i + 70_000]), 0, data[i : i + 70_000])
        for i in range(0, len(data), 70_000)
    )
    trailer = b"x-amz-checksum-crc32:" + base64.b64encode(checksum)
    return chunks + b"0;chunk-signature=0\r\n" + trailer + b"\r\nx-amz-trailer-signature:0\r\n\r\n"


@pytest.mark.parametrize(("flip", "status"), [(0, 200), (1, 400)], ids=["right trailer", "wrong trailer"])
@pytest.mark.parametrize("transfer", ["length", "chunked"])
def test_signed_stream_with_trailing_checksum(s3: Any, aws: Any, flip: int, status: int, transfer: str) -> None:
    data = LETTERS * 300
    body = aws_chunked(data, (zlib.crc32(data) ^ flip).to_bytes(4, "big"))
    headers = {
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    whole: Any = body if transfer == "length" else iter([body[:9], body[9:100_000], body[100_000:]])

    assert _send(aws, headers, whole)[0] == status
    if status == 200:
        got = s3.get_object(Bucket="plain", Key="streamed")
        assert got["Body"].read() == data
        assert "ContentEncoding" not in got


def test_multipart_upload_is_one_object(s3: Any) -> None:
    data = LETTERS * 1024 * 12 + b"tail"
    s3.upload_fileobj(
        io.BytesIO(data), "kept", "big", Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    )

    head = s3.head_object(Bucket="kept", Key="big", ChecksumMode="ENABLED")
    across = s3.get_object(Bucket="kept", Key="big", Range=f"bytes={5 * MIB - 3}-{10 * MIB + 2}")
    second = s3.get_object(Bucket="kept", Key="big", PartNumber=2)

    assert head["ETag"].endswith('-3"')
    assert across["Body"].read() == data[5 * MIB - 3 : 10 * MIB + 3]
    assert second["Body"].read() == data[5 * MIB : 10 * MIB]
    assert second["PartsCount"] == 3
    whole = io.BytesIO()
    s3.download_fileobj("kept", "big", whole)
    assert whole.getvalue() == data


def test_full_object_checksum_is_combined_from_the_parts(s3: Any) -> None:
    data = LETTERS * 1024 * 6
    upload = s3.create_multipart_upload(
        Bucket="plain", Key="full", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
    )["UploadId"]
    at = {"Bucket": "plain", "Key": "full", "UploadId": upload}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**at, PartNumber=n, Body=chunk)["ETag"]}
        for n, chunk in enumerate((data[: 5 * MIB], data[5 * MIB :]), 1)
    ]

    done = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})

    assert base64.b64decode(done["ChecksumCRC32"]) == zlib.crc32(data).to_bytes(4, "big")
    assert s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})["ETag"] == done["ETag"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([(1, "etag"), (2, "wrong")], "InvalidPart"),
        ([(2, "etag"), (1, "etag")], "InvalidPartOrder"),
        ([(1, "etag"), (2, "etag")], "EntityTooSmall"),
        ([], "MalformedXML"),
    ],
)
def test_wrong_completion_is_refused_and_the_upload_lives(s3: Any, parts: list[tuple[int, str]], code: str) -> None:
    upload = s3.create_multipart_upload(Bucket="plain", Key="wrong")["UploadId"]
    at = {"Bucket": "plain", "Key": "wrong", "UploadId": upload}
    etags = {n: s3.upload_part(**at, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)}
    listed = [{"PartNumber": n, "ETag": etags[n] if etag == "etag" else "x"} for n, etag in parts]

    assert refusal(s3.complete_multipart_upload, **at, MultipartUpload={"Parts": listed}) == (code, 400)
    assert len(s3.list_parts(**at)["Parts"]) == 2
    s3.abort_multipart_upload(**at)
    assert refusal(s3.upload_part, **at, PartNumber=1, Body=b"") == ("NoSuchUpload", 404)


def test_copies_share_bytes_and_outlive_their_source(s3: Any) -> None:
    s3.put_object(Bucket="plain", Key="source", Body=LETTERS, Metadata={"a": "b"})

    s3.copy_object(Bucket="kept", Key="copy", CopySource={"Bucket": "plain", "Key": "source"})
    s3.delete_object(Bucket="plain", Key="source")

    got = s3.get_object(Bucket="kept", Key="copy")
    assert (got["Body"].read(), got["Metadata"]) == (LETTERS, {"a": "b"})


def test_part_can_be_copied_from_a_range(s3: Any) -> None:
    s3.put_object(Bucket="plain", Key="from", Body=LETTERS)
    upload = s3.create_multipart_upload(Bucket="plain", Key="into")["UploadId"]
    at = {"Bucket": "plain", "Key": "into", "UploadId": upload}

    etag = s3.upload_part_copy(**at, PartNumber=1, CopySource="plain/from", CopySourceRange="bytes=10-19")
    s3.complete_multipart_upload(
        **at, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag["CopyPartResult"]["ETag"]}]}
    )

    assert s3.get_object(Bucket="plain", Key="into")["Body"].read() == LETTERS[10:20]


def test_presigned_url_reads(s3: Any) -> None:
    s3.put_object(Bucket="plain", Key="signed", Body=b"read me")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "plain", "Key": "signed"})
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)

    connection.request("GET", f"/{path}")

    assert connection.getresponse().read() == b"read me"
    connection.close()


def test_listing_versions_leaves_their_bytes_alone(s3: Any) -> None:
    versions = [s3.put_object(Bucket="kept", Key="listed", Body=body)["VersionId"] for body in (b"one", b"two")]

    listed = s3.list_object_versions(Bucket="kept", Prefix="listed")["Versions"]
    gc.collect()

    assert [version["VersionId"] for version in listed] == versions[::-1]
    assert [version["IsLatest"] for version in listed] == [True, False]
    bodies = [s3.get_object(Bucket="kept", Key="listed", VersionId=version)["Body"].read() for version in versions]
    assert bodies == [b"one", b"two"]


def test_deleted_version_leaves_no_bytes(s3: Any, aws: LocalAws, tmp_path: Path) -> None:
    del aws
    stored = s3.put_object(Bucket="kept", Key="brief", Body=b"x" * 12_345)["VersionId"]
    files = {path for path in tmp_path.parent.rglob("*") if path.is_file() and path.stat().st_size == 12_345}

    s3.delete_object(Bucket="kept", Key="brief", VersionId=stored)

    assert len(files) == 1
    assert not any(path.exists() for path in files)
