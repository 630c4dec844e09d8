"""Replication backfills: started, stopped, listed, and their results."""

from __future__ import annotations

from transship.local.ecr.backfill import RETENTION_SECONDS, TERMINAL, Backfill
from transship.local.ecr.call import JSON, Call
from transship.local.ecr.errors import EcrError, invalid_parameter, limit_exceeded
from transship.local.ecr.names import RegistryId
from transship.local.ecr.paging import page
from transship.local.ecr.replication import destinations

_RUNNING_LIMIT = 10


def start_replication_backfill(call: Call) -> JSON:
    """Begin to replicate what was there before, to a destination that the configuration already names."""
    given = call.parameters["destination"]
    destination = RegistryId(given["registryId"], given["region"])
    registry = call.registry
    if destination not in destinations(registry.replication_rules):
        raise invalid_parameter("destination", "must be a destination of the registry's replication configuration")
    with registry.lock:
        running = [backfill for backfill in registry.backfills.values() if backfill.status not in TERMINAL]
        if any(backfill.destination.region == destination.region for backfill in running):
            text = f"A replication backfill is in progress for the destination Region {destination.region}"
            raise EcrError("ReplicationBackfillInProgressException", text)
        if len(running) >= _RUNNING_LIMIT:
            raise limit_exceeded("replication backfills in progress", _RUNNING_LIMIT)
        backfill = Backfill(call.engine, registry, destination, call.now)
        registry.backfills[backfill.id] = backfill
    backfill.start()
    return _head(call, backfill) | {"startedAt": backfill.started_at}


def stop_replication_backfill(call: Call) -> JSON:
    """Stop a backfill that has not ended."""
    backfill = _find(call)
    if backfill.status in TERMINAL or backfill.status == "STOPPING":
        text = f"The replication backfill '{backfill.id}' has the status {backfill.status}"
        raise EcrError("ReplicationBackfillInvalidStatusException", text)
    backfill.stop()
    return _head(call, backfill) | {"startedAt": backfill.started_at}


def list_replication_backfills(call: Call) -> JSON:
    """Return a page of the backfills, the first started first."""
    chosen, more = page(_kept(call), lambda entry: f"{entry.started_at:020.6f}/{entry.id}", call.parameters, 25)
    summaries = [_summary(call, backfill) for backfill in chosen]
    return {"registryId": call.registry.id.account, "backfills": summaries} | more


def describe_replication_backfill_results(call: Call) -> JSON:
    """Return progress, and after the end a page of the results."""
    backfill = _find(call)
    wanted = call.parameters.get("resultStatusFilter")
    results: list[JSON] = []
    if backfill.status in TERMINAL:
        results = [result for result in backfill.results if wanted in (None, result["status"])]
    chosen, more = page(results, _result_key, call.parameters, 100)
    summary = _summary(call, backfill)
    return {"registryId": call.registry.id.account, "results": chosen} | summary | more


def _result_key(result: JSON) -> str:
    image_id = result["imageId"]
    return f"{result['repositoryName']}/{image_id['imageDigest']}/{image_id.get('imageTag', '')}"


def _kept(call: Call) -> list[Backfill]:
    backfills = call.registry.backfills
    for backfill in tuple(backfills.values()):
        if backfill.ended_at is not None and call.now - backfill.ended_at > RETENTION_SECONDS:
            del backfills[backfill.id]
    return list(backfills.values())


def _find(call: Call) -> Backfill:
    backfill_id = call.parameters["replicationBackfillId"].lower()
    for backfill in _kept(call):
        if backfill.id == backfill_id:
            return backfill
    text = f"The replication backfill '{backfill_id}' does not exist in the registry '{call.registry.id.account}'"
    raise EcrError("ReplicationBackfillNotFoundException", text)


def _head(call: Call, backfill: Backfill) -> JSON:
    destination = {"region": backfill.destination.region, "registryId": backfill.destination.account}
    return {
        "registryId": call.registry.id.account,
        "replicationBackfillId": backfill.id,
        "destination": destination,
        "status": backfill.status,
    }


def _summary(call: Call, backfill: Backfill) -> JSON:
    summary = _head(call, backfill) | {"progress": backfill.progress(), "startedAt": backfill.started_at}
    del summary["registryId"]
    if backfill.status == "FAILED":
        summary["failureCode"] = "TooManyFailures"
    if backfill.ended_at is not None:
        summary["endedAt"] = backfill.ended_at
    return summary
