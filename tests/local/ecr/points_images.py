"""Points of layers and images."""

from __future__ import annotations

from tests.local.ecr.points import cannot, raises
from tests.local.ecr.points_common import DIGEST, UUID
from tests.local.ecr.world import World, descriptor, manifest_of, send_part, sha256

INDEX = "application/vnd.oci.image.index.v1+json"


def _started(world: World) -> tuple[str, str]:
    repository = world.repository()
    return repository, world.ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]


@raises("UploadLayerPart", "InvalidLayerPartException")
def part_with_a_gap(world: World) -> None:
    repository, upload = _started(world)
    send_part(world.ecr, repository, upload, 1, b"late")


@raises("UploadLayerPart", "UploadNotFoundException")
def part_of_an_unknown_upload(world: World) -> None:
    send_part(world.ecr, world.repository(), UUID, 0, b"part")


@raises("UploadLayerPart", "LimitExceededException", parts_per_layer=1)
def part_too_many(world: World) -> None:
    repository, upload = _started(world)
    send_part(world.ecr, repository, upload, 0, b"first")
    send_part(world.ecr, repository, upload, 5, b"second")


def _complete(world: World, repository: str, upload: str, digest: str) -> None:
    world.ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])


@raises("CompleteLayerUpload", "UploadNotFoundException")
def completion_of_another_repositorys_upload(world: World) -> None:
    _, upload = _started(world)
    _complete(world, world.repository("team/other"), upload, DIGEST)


@raises("CompleteLayerUpload", "InvalidLayerException")
def completion_with_a_wrong_digest(world: World) -> None:
    repository, upload = _started(world)
    send_part(world.ecr, repository, upload, 0, b"layer")
    _complete(world, repository, upload, DIGEST)


@raises("CompleteLayerUpload", "LayerPartTooSmallException")
def completion_after_a_short_inner_part(world: World) -> None:
    repository, upload = _started(world)
    send_part(world.ecr, repository, upload, 0, b"short")
    send_part(world.ecr, repository, upload, 5, b"last")
    _complete(world, repository, upload, sha256(b"shortlast"))


@raises("CompleteLayerUpload", "LayerAlreadyExistsException")
def completion_of_a_layer_that_is_there(world: World) -> None:
    repository = world.repository()
    world.upload(repository, b"layer")
    world.upload(repository, b"layer")


@raises("CompleteLayerUpload", "EmptyUploadException")
def completion_without_parts(world: World) -> None:
    repository, upload = _started(world)
    _complete(world, repository, upload, DIGEST)


@raises("PutImage", "ImageAlreadyExistsException")
def same_image_and_tag_again(world: World) -> None:
    repository = world.repository()
    world.push(repository, "1")
    world.push(repository, "1")


@raises("PutImage", "LayersNotFoundException")
def image_without_its_config(world: World) -> None:
    repository = world.repository()
    world.upload(repository, b"layer")
    world.ecr.put_image(repositoryName=repository, imageManifest=manifest_of(b"{}", [b"layer"]))


def index_of(*manifests: str) -> str:
    """Return the text of an index of the given manifests."""
    entries = [descriptor("application/vnd.oci.image.manifest.v1+json", text.encode()) for text in manifests]
    return f'{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":{entries}}}'.replace("'", '"')


@raises("PutImage", "ReferencedImagesNotFoundException")
def index_before_its_children(world: World) -> None:
    repository = world.repository()
    world.ecr.put_image(repositoryName=repository, imageManifest=index_of(world.manifest(repository)))


@raises("PutImage", "LimitExceededException", images_per_repository=1)
def image_too_many(world: World) -> None:
    repository = world.repository()
    world.push(repository, "1", b"one")
    world.push(repository, "2", b"two")


@raises("PutImage", "ImageTagAlreadyExistsException")
def immutable_tag_again(world: World) -> None:
    repository = world.repository(imageTagMutability="IMMUTABLE")
    world.push(repository, "1", b"one")
    world.push(repository, "1", b"one")


@raises("PutImage", "ImageDigestDoesNotMatchException")
def image_with_a_false_digest(world: World) -> None:
    world.push(world.repository(), "1", imageDigest=DIGEST)


@raises("DescribeImages", "ImageNotFoundException")
def details_of_an_absent_image(world: World) -> None:
    world.ecr.describe_images(repositoryName=world.repository(), imageIds=[{"imageTag": "none"}])


@raises("DescribeImageReplicationStatus", "ImageNotFoundException")
def status_of_an_absent_image(world: World) -> None:
    world.ecr.describe_image_replication_status(repositoryName=world.repository(), imageId={"imageTag": "none"})


@raises("DescribeImageReplicationStatus", "ValidationException")
def status_of_no_image(world: World) -> None:
    world.ecr.describe_image_replication_status(repositoryName=world.repository(), imageId={})


@raises("DescribeImageScanFindings", "ImageNotFoundException")
def findings_of_an_absent_image(world: World) -> None:
    world.ecr.describe_image_scan_findings(repositoryName=world.repository(), imageId={"imageTag": "none"})


@raises("DescribeImageScanFindings", "ScanNotFoundException")
def findings_of_an_image_that_was_never_scanned(world: World) -> None:
    repository = world.repository()
    digest = world.push(repository, "1")
    world.ecr.describe_image_scan_findings(repositoryName=repository, imageId={"imageDigest": digest})


@raises("GetDownloadUrlForLayer", "LayersNotFoundException")
def address_of_an_absent_layer(world: World) -> None:
    world.ecr.get_download_url_for_layer(repositoryName=world.repository(), layerDigest=DIGEST)


@raises("GetDownloadUrlForLayer", "LayerInaccessibleException")
def address_of_a_layer_of_no_image(world: World) -> None:
    repository = world.repository()
    digest = world.upload(repository, b"layer")
    world.ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=digest)


@raises("UpdateImageStorageClass", "ImageNotFoundException")
def storage_class_of_an_absent_image(world: World) -> None:
    _archive(world, world.repository(), {"imageTag": "none"})


@raises("UpdateImageStorageClass", "ImageStorageClassUpdateNotSupportedException")
def image_archived_twice(world: World) -> None:
    repository = world.repository()
    digest = world.push(repository, "1")
    for _ in range(2):
        _archive(world, repository, {"imageDigest": digest})


def _archive(world: World, repository: str, image_id: dict[str, str]) -> None:
    world.ecr.update_image_storage_class(repositoryName=repository, imageId=image_id, targetStorageClass="ARCHIVE")


cannot("UnableToGetUpstreamImageException", "there are no pull through caches")
cannot("UnableToGetUpstreamLayerException", "there are no pull through caches")
cannot("UnableToListUpstreamImageReferrersException", "there are no pull through caches")
cannot("LimitExceededException", "it is about pull through caches, which there are none of", "BatchGetImage")
