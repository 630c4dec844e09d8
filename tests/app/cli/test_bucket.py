"""What the command line does with the bucket of a deployment: finding it, sending to it, listing it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.byte_range import ByteRange
from chalicelib.names import Deployment
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.table import Put
from chalicelib.settings import Settings
from chalicelib.state.upload import State, Upload, former_id, upload_id
from tests import archives
from tests.app.cli.conftest import DEPLOYMENT
from tests.fakes.table import FakeTable
from transship.aws import s3_source
from transship.cli import main
from transship.commands.push import _prefix as prefix_of
from transship.deployment import find_deployment
from transship.errors import CommandError
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.stack import LocalAws
from transship.recent import object_versions, recent_uploads
from transship.sending import send

MIB = 1 << 20


@pytest.fixture(name="aws", scope="module")
def _aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture(name="session", autouse=True)
def _session(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """A session of the source account's administrator, as the environment gives it to everybody else too."""
    keys = aws.administrator(SOURCE_ACCOUNT)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
    return boto3.Session()


@pytest.fixture(name="bucket")
def _bucket(session: boto3.Session) -> Iterator[Any]:
    """The bucket of the stage `local`, with versions."""
    bucket = session.resource("s3").Bucket(DEPLOYMENT.bucket)
    bucket.create()
    bucket.Versioning().enable()
    yield bucket
    bucket.object_versions.delete()
    bucket.delete()


def _archive(folder: Path, size: int) -> Path:
    path = folder / "app-1.4.tar"
    path.write_bytes(os.urandom(size))
    return path


@pytest.mark.usefixtures("bucket")
def test_the_only_deployment_is_found(session: boto3.Session) -> None:
    assert find_deployment(session) == DEPLOYMENT


@pytest.mark.usefixtures("bucket")
def test_of_several_deployments_one_must_be_named(session: boto3.Session) -> None:
    other = session.resource("s3").Bucket(DEPLOYMENT.bucket.replace("local", "prod"))
    other.create()
    try:
        with pytest.raises(CommandError, match="local, prod"):
            find_deployment(session)
        assert find_deployment(session, stage="prod").stage == "prod"
        assert find_deployment(session, bucket=other.name).stage == "prod"
    finally:
        other.delete()


def test_an_account_without_a_deployment_is_told_so(session: boto3.Session) -> None:
    with pytest.raises(CommandError, match="no deployment") as refused:
        find_deployment(session)

    assert "transship deploy" in refused.value.remedy


def test_a_session_without_credentials_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)

    with pytest.raises(CommandError, match="does not answer"):
        find_deployment(boto3.Session())


@pytest.mark.parametrize("size", [0, 1000, 40 * MIB], ids=["empty", "one-request", "in-parts"])
def test_what_was_sent_is_the_version_that_is_there(
    session: boto3.Session, bucket: Any, tmp_path: Path, size: int
) -> None:
    sent: list[int] = []

    version = send(session.client("s3"), _archive(tmp_path, size), bucket.name, "uploads/a/b.tar", sent.append)

    (stored,) = bucket.object_versions.all()
    assert (version.version_id, version.etag) == (stored.version_id, stored.e_tag.strip('"'))
    assert version.size == stored.size == sum(sent) == size


def test_each_of_two_versions_of_a_key_is_told_apart(session: boto3.Session, bucket: Any, tmp_path: Path) -> None:
    s3 = session.client("s3")

    first, second = (send(s3, _archive(tmp_path, n), bucket.name, "uploads/a/b.tar", lambda _: None) for n in (1, 2))

    sizes = {stored.version_id: stored.size for stored in bucket.object_versions.all()}
    assert (sizes[first.version_id], sizes[second.version_id]) == (1, 2)


def test_a_bucket_that_is_not_there_is_told_so(session: boto3.Session, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="NoSuchBucket") as refused:
        send(session.client("s3"), _archive(tmp_path, 1), "transship-none-1-x", "uploads/a/b.tar", lambda _: None)

    assert "s3:PutObject" in refused.value.remedy


@pytest.fixture(name="squatted")
def _squatted(aws: LocalAws) -> Iterator[str]:
    """A bucket of another account, named as one of ours and open to everybody."""
    theirs = aws.administrator(OTHER_ACCOUNT)
    bucket = boto3.Session(theirs.access_key, theirs.secret_key, region_name="us-east-1").resource(
        "s3", endpoint_url=aws.endpoint_url
    ).Bucket(DEPLOYMENT.bucket.replace("local", "squatted"))  # fmt: skip
    bucket.create()
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}
    statement = {**anybody, "Resource": [f"arn:aws:s3:::{bucket.name}", f"arn:aws:s3:::{bucket.name}/*"]}
    bucket.Policy().put(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    yield bucket.name
    assert [each.key for each in bucket.objects.all()] == []
    bucket.delete()


@pytest.mark.parametrize("size", [1000, 40 * MIB], ids=["one-request", "in-parts"])
def test_a_bucket_of_ours_that_somebody_else_has_made_gets_nothing(
    session: boto3.Session, squatted: str, tmp_path: Path, size: int
) -> None:
    with pytest.raises(CommandError, match=r"AccessDenied|Access Denied"):
        send(session.client("s3"), _archive(tmp_path, size), squatted, "uploads/a/b.tar", lambda _: None)


def test_recent_uploads_are_the_newest_versions_with_their_records(
    session: boto3.Session, bucket: Any, tmp_path: Path
) -> None:
    s3, table = session.client("s3"), FakeTable()
    versions = [
        send(s3, _archive(tmp_path, 10), bucket.name, f"uploads/a{number}/b.tar", lambda _: None) for number in range(3)
    ]
    known = versions[2]
    record = Upload(id=upload_id(known, "uploads/"), object=known, state=State.REJECTED, code="TRUNCATED")
    table.write([Put(record.key, record.to_item(), 0)])

    found = recent_uploads(s3, table, bucket.name, 20)

    assert {(one.version.key, one.state) for one in found} == {
        ("uploads/a0/b.tar", "unknown"),
        ("uploads/a1/b.tar", "unknown"),
        ("uploads/a2/b.tar", "rejected"),
    }
    assert [one.version.uploaded for one in found] == sorted((one.version.uploaded for one in found), reverse=True)
    assert len(recent_uploads(s3, table, bucket.name, 2)) == 2


def test_a_bucket_is_listed_only_as_its_owners(session: boto3.Session, bucket: Any) -> None:
    s3, owners = session.client("s3"), []

    def note(params: dict[str, Any], **_: Any) -> None:
        owners.append(params.get("ExpectedBucketOwner"))

    s3.meta.events.register("provide-client-params.s3", note)

    assert list(object_versions(s3, bucket.name)) == []
    assert owners == [SOURCE_ACCOUNT]


def test_an_upload_that_was_begun_before_its_tenant_was_part_of_its_id_is_listed_under_the_old_one(
    session: boto3.Session, bucket: Any, tmp_path: Path
) -> None:
    s3, table = session.client("s3"), FakeTable()
    known = send(s3, _archive(tmp_path, 10), bucket.name, "uploads/a/b.tar", lambda _: None)
    record = Upload(id=former_id(known), object=known, state=State.AVAILABLE)
    table.write([Put(record.key, record.to_item(), 0)])

    (found,) = recent_uploads(s3, table, bucket.name, 20)

    assert (found.id, found.state) == (former_id(known), "available")


def test_what_signs_a_chart_is_no_upload_before_it_has_a_record(session: boto3.Session, bucket: Any) -> None:
    s3, table = session.client("s3"), FakeTable()
    for name in ("early", "late"):
        bucket.put_object(Key=f"uploads/charts/{name}.tgz.prov", Body=b"signed")
    (late,) = (one for one in object_versions(s3, bucket.name) if "late" in one.key)
    version = ObjectVersion(bucket=bucket.name, key=late.key, version_id=late.version_id, etag="x", size=6)
    record = Upload(id=upload_id(version, "uploads/"), object=version, state=State.REJECTED, code="CHART_PROVENANCE")
    table.write([Put(record.key, record.to_item(), 0)])

    assert [one.version.key for one in recent_uploads(s3, table, bucket.name, 20)] == [late.key]


def test_an_object_is_read_like_a_file(bucket: Any) -> None:
    bucket.Object("uploads/a/b c+d.tar").put(Body=b"0123456789")

    source = s3_source(f"s3://{bucket.name}/uploads/a/b c+d.tar")

    assert (source.size, source.read(ByteRange(3, 4))) == (10, b"3456")


def test_an_object_that_is_absent_is_named(bucket: Any) -> None:
    with pytest.raises(CommandError, match=r"uploads/none\.tar: there is no such object"):
        s3_source(f"s3://{bucket.name}/uploads/none.tar")


def test_a_chart_is_inspected_with_what_signs_it_beside_it_in_the_bucket(bucket: Any) -> None:
    content, url = archives.chart(), f"s3://{bucket.name}/uploads/charts/webapp-1.2.3.tgz"
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\n\nfiles:\n  webapp.tgz: sha256:{archives.sha256(content)}\n"
    bucket.put_object(Key="uploads/charts/webapp-1.2.3.tgz", Body=content)

    alone = CliRunner().invoke(main, ["inspect", url, "--json"])
    bucket.put_object(Key="uploads/charts/webapp-1.2.3.tgz.prov", Body=signed.encode())
    both = CliRunner().invoke(main, ["inspect", url, "--json"])
    bucket.put_object(Key="uploads/charts/webapp-1.2.3.tgz.prov", Body=b"")
    empty = CliRunner().invoke(main, ["inspect", url, "--json"])

    assert [len(json.loads(one.stdout)["images"][0]["layers"]) for one in (alone, both)] == [1, 2]
    assert (empty.exit_code, json.loads(empty.stdout)["code"]) == (1, "CHART_PROVENANCE")


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3://bucket/"])
def test_a_url_without_an_object_is_refused(url: str) -> None:
    with pytest.raises(CommandError, match="names no object"):
        s3_source(url)


def test_the_other_account_has_a_deployment_of_its_own(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = aws.administrator(OTHER_ACCOUNT)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_key)

    assert find_deployment(boto3.Session(), stage="local").account == OTHER_ACCOUNT


@pytest.mark.parametrize(("name", "both"), [("webapp-1.4.tgz", True), ("app-1.4.tar", False)])
def test_what_signs_a_chart_goes_before_it(
    session: boto3.Session, bucket: Any, tmp_path: Path, name: str, *, both: bool
) -> None:
    archive = tmp_path / name
    archive.write_bytes(b"chart")
    Path(f"{archive}.prov").write_bytes(b"signed")

    sent = send(session.client("s3"), archive, bucket.name, f"uploads/a/{name}", lambda _: None)

    assert (sent.key, sent.size) == (f"uploads/a/{name}", 5)
    found = {one.key: one.last_modified for one in bucket.objects.all()}
    assert set(found) == {f"uploads/a/{name}", *([f"uploads/a/{name}.prov"] if both else [])}
    assert not both or found[f"uploads/a/{name}.prov"] <= found[f"uploads/a/{name}"]


@pytest.mark.parametrize(("key", "prefix"), [("uploads/team/a.tar", "uploads/"), ("in/team/a.tar", "in/")])
def test_the_deployment_is_asked_for_its_prefix_only_where_the_usual_one_does_not_fit(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch, key: str, prefix: str
) -> None:
    asked = []

    def deployed_settings(_: boto3.Session, deployment: Deployment) -> Settings:
        asked.append(deployment)
        return Settings(prefix="in/")

    monkeypatch.setattr("transship.commands.push.deployed_settings", deployed_settings)

    assert prefix_of(session, DEPLOYMENT, key) == prefix
    assert asked == ([] if prefix == "uploads/" else [DEPLOYMENT])
