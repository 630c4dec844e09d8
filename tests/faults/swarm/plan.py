"""What people do in a swarm, drawn by seed: who uploads what, when, and where it must arrive."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.oci.reference import Registry
from chalicelib.settings import Reader, Settings
from tests.faults.swarm.cargo import KINDS, Cargo, cargo
from tests.world import AWAY, FAR, HOME, NEAR

TENANTS: Final = ("team", "vendor", "corp")
DESTINATIONS: Final = (NEAR, Registry(HOME, "ap-southeast-2"), FAR, Registry(AWAY, "us-east-1"))
READER: Final = Reader("arn:aws:iam::444455556666:role/transship-test-read-back", "x")


@dataclass(frozen=True, slots=True)
class Upload:
    """Somebody of *tenant* puts *cargo* at *key*, *after* so many seconds."""

    after: float
    tenant: str
    key: str
    cargo: Cargo


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A seed's scenario.

    Attributes:
        uploads: In the order in which they are put.
        destinations: Where everything is replicated to.
        settings: Of the deployment.
        revoked: Whose right to upload is taken away after so many seconds.
        immutable: A repository, made by hand, in which the tag 1.0 stands for ever on another image.
        refused: An operation that ECR denies all the same, although the simulator allows it, for so many seconds.
        barren: A destination to which the children of indexes do not come, COMPLETE all the same.
        forgotten: After how many seconds ECR forgets all uploads of layers that have begun.
        stubborn: A destination, and a repository there in which the tag 1.0 stands for ever on another image.
        denied: A (function, action) pair that our roles lack, and after how many seconds it is granted.
    """

    uploads: Sequence[Upload]
    destinations: Sequence[Registry]
    settings: Settings
    revoked: tuple[str, float] | None = None
    immutable: str = ""
    denied: tuple[str, str, float] | None = None
    refused: tuple[str, float] | None = None
    barren: Registry | None = None
    forgotten: Sequence[float] = ()
    stubborn: tuple[Registry, str] | None = None


def drawn(chance: random.Random) -> Plan:
    """Draw a scenario."""
    tenants = TENANTS[: chance.randint(1, len(TENANTS))]
    uploads: list[Upload] = []
    for _ in range(chance.randint(1, 6)):
        before = chance.choice(uploads) if uploads and chance.random() < 0.5 else None
        uploads.append(_again(chance, before) if before else _new(chance, chance.choice(tenants)))
    tenant = chance.choice(tenants)
    destinations = chance.sample(DESTINATIONS, chance.randint(0, len(DESTINATIONS)))
    return Plan(
        uploads=sorted(uploads, key=lambda one: one.after),
        destinations=destinations,
        settings=Settings(
            stage="test",
            create_repositories=True,
            repository_mutability="MUTABLE",
            layers_at_once=1,  # with more, the machine would decide which thread calls first
            bundle_bytes=chance.choice((1 << 30, 4_096)),
            compression=chance.choice(("gzip", "gzip", "none")),
            rules_age=chance.choice((0.0, 0.0, 60.0)),
            receipts=chance.random() < 0.3,
            confirm_late=chance.choice((60.0, 600.0)),
            confirm_deadline=chance.choice((900.0, 1_800.0)),
            readers={AWAY: READER},
        ),
        revoked=(tenant, chance.choice(uploads).after + chance.uniform(0, 30)) if chance.random() < 0.15 else None,
        immutable=f"{tenant}/app" if chance.random() < 0.05 else "",
        denied=("publish", "ecr:PutImage", chance.choice((20.0, 1e9))) if chance.random() < 0.05 else None,
        refused=(chance.choice(("PutImage", "UploadLayerPart")), 300.0) if chance.random() < 0.1 else None,
        forgotten=[chance.choice(uploads).after + chance.uniform(0, 20) for _ in range(chance.choice((0, 0, 0, 9)))],
        stubborn=(chance.choice(destinations), f"{tenant}/app") if destinations and chance.random() < 0.1 else None,
        barren=chance.choice(destinations) if destinations and chance.random() < 0.1 else None,
    )


def _new(chance: random.Random, tenant: str) -> Upload:
    kind = chance.choice(KINDS)
    tag = chance.choice(("1.0", "2.0"))
    one = cargo(kind, tenant, chance.randint(1, 3), tag)
    name = chance.choice(("app", "web"))
    return Upload(_moment(chance), tenant, f"uploads/{tenant}/{name}/{name}-{tag}{one.suffix}", one)


def _again(chance: random.Random, before: Upload) -> Upload:
    """Upload a new version of a key, or the same repository and tag by another key, or the same bytes again."""
    after = before.after + chance.choice((0.0, 0.5, 5.0, 60.0))
    kind, tenant, number, tag = before.cargo.name.split()
    another = cargo(kind, tenant, int(number) % 3 + 1, tag)
    way = chance.choice(("version", "version", "key", "same"))
    if way == "same":
        return Upload(after, tenant, before.key, before.cargo)
    key = before.key if way == "version" else before.key.replace(f"-{tag}", f"x-{tag}")
    return Upload(after, tenant, key, another)


def _moment(chance: random.Random) -> float:
    return chance.uniform(0, chance.choice((1.0, 30.0, 600.0)))
