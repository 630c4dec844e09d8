"""
The JSON document of an upload: what `push --wait --json` and `local push --json` print.

    {"status", "code", "images": [{"repository", "tags", "digest", "media_type", "destinations": [...]}],
     "events": [...], "metrics": {...}}

Images are described as in receipts and audit records.

Keys are only ever added. "manifests" counts those of the archive, {"found", "pushed"}, once it was read; "warnings"
says in sentences what of it was left out or moved. What ended badly also says "detail", "remedy" and "facts".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chalicelib.codes import Code
from chalicelib.names import EVENT_SOURCE
from chalicelib.outcome.described import described_images
from chalicelib.ports.bus import Event
from transship.observation import Observation

_COUNTED: Final = (
    "source_bytes_read",
    "source_requests",
    "bytes_uploaded",
    "parts",
    "layers",
    "layers_skipped",
    "ecr_requests",
)


def upload_document(
    seen: Observation,
    *,
    events: Iterable[Mapping[str, Any]] | None = None,
    measured: Mapping[str, float | None] | None = None,
) -> dict[str, Any]:
    """
    Return the document of an upload.

    Args:
        seen: Its record.
        events: As a subscriber received them; without, those that the record says were decided on.
        measured: What the record cannot know: "cpu_seconds" and "peak_rss_mib" of the functions, exact "seconds".
    """
    upload = seen.upload
    return {
        "status": upload.state.value,
        "code": upload.code or None,
        **_cause(seen),
        "upload": {
            "id": upload.id,
            "bucket": upload.object.bucket,
            "key": upload.object.key,
            "version_id": upload.object.version_id,
        },
        "images": described_images(seen.images, seen.replicas),
        "manifests": {"found": upload.found, "pushed": upload.pushed} if upload.kind else None,
        "warnings": list(upload.warnings),
        "events": list(events) if events is not None else [_event(event) for event in seen.events],
        "metrics": _metrics(seen) | dict(measured or {}),
    }


def _cause(seen: Observation) -> dict[str, Any]:
    upload = seen.upload
    if not upload.code:
        return {}
    remedy = Code[upload.code].remedy if upload.code in Code.__members__ else ""
    return {"detail": upload.detail, "remedy": remedy, "facts": dict(upload.facts)}


def _event(event: Event) -> dict[str, Any]:
    """Return an event as a subscriber would see it, less what EventBridge adds on the way."""
    return {
        "source": EVENT_SOURCE,
        "detail-type": event.detail_type,
        "resources": list(event.resources),
        "detail": dict(event.detail),
    }


def _metrics(seen: Observation) -> dict[str, float | None]:
    upload = seen.upload
    pushed = upload.published - upload.accepted if upload.published and upload.accepted else None
    return {
        "source_bytes": upload.object.size,
        **{name: upload.tally.get(name, 0) for name in _COUNTED},
        "seconds": round(pushed, 3) if pushed is not None else None,
        "cpu_seconds": None,
        "peak_rss_mib": None,
    }
