"""What can happen to replicas in `tests.world`, each as a function that lets it happen at FAR."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.ports.registry import CreationTemplate, ReplicationRule
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.repository import FakeRepository
from tests.world import FAR, NEAR, SOURCE, World

KEY = "uploads/team/app/app-1.4.tar"
APP = RepositoryName("team/app")
ONE = Tag("1.0")
OTHER = Digest(hashlib.sha256(b"other").hexdigest())
SOUND = archives.docker_save(archives.image("hello"))


def layout() -> archives.Layout:
    made = archives.Layout()
    made.list(archives.multi_platform(made, "amd64", "arm64"), ref="1.0")
    return made


INDEX = layout().tar()


def until_published(world: World, content: bytes = SOUND) -> str:
    upload = world.upload(KEY, content)
    while world.state_or_none(upload) is not State.CONFIRMING:
        world.step()
    return upload


def far(world: World) -> FakeRepository:
    world.clock.seconds += world.ecr.lag
    return world.ecr.repository(FAR, APP)


def other_tag(mutability: str) -> Callable[[World], None]:
    def happens(world: World) -> None:
        world.ecr.create(FAR, APP, mutability).tags[ONE] = OTHER

    return happens


def old_tag_again(world: World) -> None:
    far(world).tags[ONE] = OTHER


def untagged(world: World) -> None:
    del far(world).tags[ONE]


def emptied(world: World) -> None:
    repository = far(world)
    repository.images.clear()
    repository.tags.clear()
    repository.lifecycle_policy = json.dumps({"rules": [{"rulePriority": 7, "selection": {"tagStatus": "untagged"}}]})


def forget_layers(world: World) -> None:
    far(world).blobs.clear()


def archive_image(world: World) -> None:
    repository = far(world)
    repository.archived_images |= set(repository.images)


def archive_layers(world: World) -> None:
    repository = far(world)
    repository.archived |= set(repository.blobs)


def delete_repository(world: World) -> None:
    far(world)
    del world.ecr.repositories[FAR][APP]


def forge(world: World) -> None:
    repository = far(world)
    (digest,) = repository.images
    repository.images[digest] = dataclasses.replace(repository.images[digest], content=b"{}")


def key_lost(world: World) -> None:
    far(world).kms_key = "key-1"
    world.ecr.keyless.add(FAR)


def read_back_denied(world: World) -> None:
    world.ecr.shut.add(FAR)


def without_a_policy(world: World) -> None:
    del world.ecr.policies[str(FAR)]


def policy(change: Callable[[dict[str, Any]], Any]) -> Callable[[World], None]:
    def happens(world: World) -> None:
        document = json.loads(world.ecr.policies[str(FAR)])
        change(document["Statement"][0])
        world.ecr.policies[str(FAR)] = json.dumps(document)

    return happens


CONDITION = {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}
PREFIXED = CreationTemplate(prefix="team", applied_for=("REPLICATION",), kms_key="key-1")


def template(world: World) -> None:
    world.ecr.failing[FAR] = "RepositoryCreationFailed"
    world.ecr.templates[FAR] = (PREFIXED,)


def reconfigured(world: World) -> None:
    world.ecr.failing[FAR] = "Gone"
    world.ecr.rules[SOURCE] = (ReplicationRule((NEAR,)),)


def unreachable(world: World) -> None:
    world.ecr.unreached[FAR] = "UnrecognizedClientException: the security token is invalid"


def silent(world: World) -> None:
    world.ecr.silent.add(FAR)
    endless(world)


def endless(world: World) -> None:
    world.ecr.lags[FAR] = 1e9


def failing(world: World) -> None:
    world.ecr.failing[FAR] = "SomethingOfEcr"


def barren(world: World) -> None:
    world.ecr.barren.add(FAR)
