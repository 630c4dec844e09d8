"""What a large image costs: its bytes once on disk for all registries, and no more memory than parts do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import base64, hashlib, json, re, sys
from pathlib import Path
from transship.local.clock import ManualClock
from transship.local.ecr import EcrService
from tests.local.ecr.world import RecordingAuthorizer, caller_of, manifest_of

PART, PARTS = 10 * 1024 * 1024, 40
directory = Path(sys.argv[1])
service = EcrService(directory, clock=ManualClock(), authorizer=RecordingAuthorizer(), emit=lambda *_: None)

def call(operation, **parameters):
    caller = caller_of("111122223333", "us-east-1")
    status, _, body = service.json_api(caller, operation, json.dumps(parameters).encode())
    assert status == 200, body
    return json.loads(body)

def upload(blobs):
    upload_id = call("InitiateLayerUpload", repositoryName="team/app")["uploadId"]
    digest, first = hashlib.sha256(), 0
    for blob in blobs:
        digest.update(blob)
        call("UploadLayerPart", repositoryName="team/app", uploadId=upload_id, partFirstByte=first,
             partLastByte=first + len(blob) - 1, layerPartBlob=base64.b64encode(blob).decode())
        first += len(blob)
    name = "sha256:" + digest.hexdigest()
    call("CompleteLayerUpload", repositoryName="team/app", uploadId=upload_id, layerDigests=[name])
    return name

call("CreateRepository", repositoryName="team/app")
regions = ["eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"]
destinations = [{"region": region, "registryId": "111122223333"} for region in regions]
call("PutReplicationConfiguration", replicationConfiguration={"rules": [{"destinations": destinations}]})
layer = upload(bytes([number]) * PART for number in range(PARTS))
config = upload([b"{}"])
document = json.loads(manifest_of(b"{}", []))
document["layers"] = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": PART * PARTS}]
image = call("PutImage", repositoryName="team/app", imageManifest=json.dumps(document))["image"]["imageId"]
service.settle()
statuses = call("DescribeImageReplicationStatus", repositoryName="team/app", imageId=image)["replicationStatuses"]
disk = sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
print(json.dumps({
    "statuses": [entry["status"] for entry in statuses],
    "disk_mib": disk / 2**20,
    # Not getrusage: it hands a parent's peak down through fork and exec.
    "peak_rss_mib": int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024,
}))
"""


@pytest.mark.check
def test_image_of_400_mib_in_five_registries_costs_its_bytes_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=root)

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["statuses"] == 4 * ["COMPLETE"]
    assert 400 <= seen["disk_mib"] < 410
    assert seen["peak_rss_mib"] < 256
