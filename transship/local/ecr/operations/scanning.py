"""
What a scan found in an image: basic scanning, on push.

Whether there is a scan is real, and when it ends; what it found is what a switch says.
"""

from __future__ import annotations

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.content import Image
from transship.local.ecr.errors import scan_not_found
from transship.local.ecr.lookup import require_image
from transship.local.ecr.paging import page

_PAGE = 100


def describe_image_scan_findings(call: Call) -> JSON:
    """Return how far the scan of one image is, and its findings once it has ended."""
    repository, image_id = call.repository, call.parameters["imageId"]
    with repository.lock:
        image = require_image(call, repository, image_id)
    if image.scanned_from is None:
        raise scan_not_found(repository.registry, repository.name, image_id)
    answer = call.where | {"imageId": image.image_id(image_id.get("imageTag"))}
    ended = image.scanned_from + call.options.scan_seconds
    if call.now < ended:
        return answer | {"imageScanStatus": {"status": "IN_PROGRESS", "description": "The scan is under way."}}
    status = {"status": "COMPLETE", "description": "The scan was completed successfully."}
    return answer | {"imageScanStatus": status} | _findings(call, image, ended)


def _findings(call: Call, image: Image, ended: float) -> JSON:
    counts = call.options.scan_findings
    found = [
        {"name": f"{severity}-{number}", "severity": severity, "description": f"found in {image.digest}"}
        for severity, count in counts.items()
        for number in range(1, count + 1)
    ]
    shown, more = page(found, lambda one: one["name"], call.parameters, _PAGE)
    findings = {
        "imageScanCompletedAt": ended,
        "vulnerabilitySourceUpdatedAt": image.scanned_from,
        "findingSeverityCounts": dict(counts),
        "findings": shown,
    }
    return {"imageScanFindings": findings} | more
