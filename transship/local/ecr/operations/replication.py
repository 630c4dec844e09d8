"""What the source says of an image's replication."""

from __future__ import annotations

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.content import DestinationStatus
from transship.local.ecr.errors import EcrError
from transship.local.ecr.lookup import require_image
from transship.local.ecr.names import RegistryId
from transship.local.ecr.replication import destinations, matching_rules


def describe_image_replication_status(call: Call) -> JSON:
    """Return one entry for each destination; none for an image that no rule matched, and none right after a push."""
    repository, image_id = call.repository, call.parameters["imageId"]
    if not image_id:
        raise EcrError("ValidationException", "imageId must have a digest or a tag")
    with repository.lock:
        image = require_image(call, repository, image_id)
        statuses = [
            _entry(destination, status)
            for destination, status in image.destinations.items()
            if status.appears_at <= call.now and _reported(call, destination)
        ]
        answered = image.image_id(image_id.get("imageTag"))
    return {"repositoryName": repository.name, "imageId": answered, "replicationStatuses": statuses}


def _reported(call: Call, destination: RegistryId) -> bool:
    if not call.options.forgets_removed_destinations:
        return True
    rules = matching_rules(call.registry.replication_rules, call.parameters["repositoryName"])
    return destination in destinations(rules)


def _entry(destination: RegistryId, status: DestinationStatus) -> JSON:
    entry = {"region": destination.region, "registryId": destination.account, "status": status.status}
    # While another replication of the image is under way, an earlier failure is not the last word.
    if status.status == "FAILED" and status.failure_code:
        entry["failureCode"] = status.failure_code
    return entry
