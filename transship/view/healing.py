"""What is missing where, why, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.replicas.healing import HEALS
from chalicelib.state.records import ReplicaRecord
from transship.heal import Patient
from transship.view.causes import cause_lines
from transship.view.screen import show_result
from transship.view.text import foreign


def describe(patient: Patient) -> dict[str, Any]:
    """Return what `heal --json` prints."""
    upload = patient.upload
    return {
        "status": upload.state.value,
        "upload": {"id": upload.id, "attempt": upload.attempt},
        "missing": [_replica(patient, replica) for replica in patient.missing],
        "ways": {way.value: text for way, text in HEALS.items()},
    }


def _replica(patient: Patient, replica: ReplicaRecord) -> dict[str, Any]:
    return {
        "account": replica.registry.account,
        "region": replica.registry.region,
        "repository": str(replica.repository),
        "digest": str(replica.digest),
        "status": replica.status.value,
        "failure": replica.failure or None,
        "digest_verified": replica.digest_verified,
        "tags_verified": replica.tags_verified,
        "causes": _known_causes(patient, replica),
    }


def _known_causes(patient: Patient, replica: ReplicaRecord) -> list[Mapping[str, Any]]:
    place = (replica.registry.account, replica.registry.region, str(replica.digest))
    for told in patient.upload.facts.get("destinations", ()):
        if (told["account"], told["region"], told["digest"]) == place:
            return list(told["causes"])
    return []


def show_patient(patient: Patient) -> None:
    """Show each destination that lacks something, the causes that are known, and the ways."""
    for replica in patient.missing:
        lack = foreign(replica.failure) if replica.failure else replica.status.value
        show_result(f"{replica.registry}  {replica.repository}@{replica.digest}: {lack}")
        for line in cause_lines(_known_causes(patient, replica)):
            show_result(f"  {line}")
    show_result("")
    for way, text in HEALS.items():
        show_result(f"transship heal {patient.upload.id} --way {way.value}: {text}")
