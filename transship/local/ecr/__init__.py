"""
Amazon ECR on one machine, as strict as the real one (behaviour: ecr.md, in particular section 8).

Way of a request: `service` (front), `dispatch` (faults, shape, permission), `operations/` (one function each) on
`registry`, `repository` and `content` (state), `store` and `uploads` (bytes on disk); then `replication`, `arrival`,
`deletion` and `backfill` on the `agenda`. `v2/` is the registry HTTP API over the same operations. `options` holds the
switches for what is unknown of the real service, `faults` the rules that make calls fail.
Nothing here knows moto. Left out: the other kinds of scanning, signing, pull through caches, lifecycle runs, KMS.
"""

from transship.local.ecr.errors import ConnectionCut
from transship.local.ecr.faults import FaultRule, FaultRules, parse_fault
from transship.local.ecr.options import DOCUMENTED_QUOTAS, EcrOptions
from transship.local.ecr.service import EcrService

__all__ = [
    "DOCUMENTED_QUOTAS",
    "ConnectionCut",
    "EcrOptions",
    "EcrService",
    "FaultRule",
    "FaultRules",
    "parse_fault",
]
