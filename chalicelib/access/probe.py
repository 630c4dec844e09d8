"""
What a role may, found out by calls that cannot do anything: for where SimulatePrincipalPolicy is not permitted.

IAM judges a call before ECR looks at it, so a call that ECR would refuse anyway tells whether IAM lets it through:

    BatchCheckLayerAvailability   of a digest that nothing has
    UploadLayerPart               of an upload id that nobody was given
    CompleteLayerUpload           of the same
    PutImage                      of `{}`, which is no manifest

Never InitiateLayerUpload: it would leave an upload behind that nothing can end (ecr.md 1.2).
What probes cannot tell is listed with the verdict: InitiateLayerUpload, roles other than the caller's, which policy
decided, and whether a condition on a tag of the request would hold.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Final

from chalicelib.access.denied_look import denied_finding
from chalicelib.access.judgement import Finding, Outcome, Source, Verdict
from chalicelib.access.needs import ON_REPOSITORY
from chalicelib.errors import Code, FinalError, RegistryAnswer, RepositoryAbsent
from chalicelib.names import CONFIRM, PUBLISH, PUSH
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient
from chalicelib.replacing import replace

MODE: Final = "probe"
_NO_MANIFEST: Final = b"{}"
_MEDIA_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"


def announce_probes(outside: Outside, functions: Iterable[str] = (PUSH, PUBLISH, CONFIRM)) -> Verdict:
    """Return the verdict of the function that cannot probe for the others: everything is unknown until they run."""
    findings = [
        Finding(function, "", action, "*", Outcome.UNKNOWN, Source.PROBE, reason="the function itself will probe")
        for function in functions
        for action in ON_REPOSITORY[function]
    ]
    return Verdict(tuple(findings), outside.clock.now(), mode=MODE)


def demand_by_probe(outside: Outside, function: str, names: Iterable[RepositoryName]) -> None:
    """
    In mode `probe`, try what *function* needs of the repositories *names*, unless that was done a short while ago.

    Raises:
        RefusedError: PERMISSION_MISSING.
        RepositoryAbsent: One of them is gone.
        TemporaryError: Try again later.
    """
    if outside.settings.preflight != MODE:
        return
    now = outside.clock.now()
    for name in dict.fromkeys(names):
        key = (MODE, function, name)
        if now - outside.memory.verdicts.get(key, 0.0) < outside.settings.preflight_age:
            continue
        verdict = probe(outside, function, name)
        if verdict.denied:
            raise verdict.refusal()
        outside.memory.verdicts[key] = now


def probe(outside: Outside, function: str, name: RepositoryName) -> Verdict:
    """Try what *function*, which is the caller, needs of the repository *name*."""
    registry = outside.registries.client(outside.deployment.registry)
    arn = Repository(registry.registry, name).arn(outside.deployment.partition)
    tried = _probes(registry, name)
    findings = [
        _finding(outside, Finding(function, "", action, arn, Outcome.ALLOWED, Source.PROBE), tried.get(action))
        for action in ON_REPOSITORY[function]
    ]
    return Verdict(tuple(dict.fromkeys(findings)), outside.clock.now(), mode=MODE)


def _probes(registry: RegistryClient, name: RepositoryName) -> dict[str, Callable[[], object]]:
    nothing, nobodys = Digest.of(uuid.uuid4().bytes), str(uuid.uuid4())
    empty = Digest.of(_NO_MANIFEST)
    return {
        "ecr:BatchCheckLayerAvailability": lambda: registry.availability(name, [nothing]),
        "ecr:UploadLayerPart": lambda: registry.put_part(name, nobodys, 0, b"0"),
        "ecr:CompleteLayerUpload": lambda: registry.complete_layer(name, nobodys, nothing),
        "ecr:PutImage": lambda: registry.put_manifest(
            name, _NO_MANIFEST, media_type=_MEDIA_TYPE, digest=empty, tag=None
        ),
    }


def _finding(outside: Outside, allowed: Finding, call: Callable[[], object] | None) -> Finding:
    if call is None:
        return replace(allowed, outcome=Outcome.UNKNOWN, reason="no call without effect tells it")
    denial = _denial(call)
    if denial is None:
        return allowed
    found = replace(denied_finding(outside, denial), source=Source.PROBE)
    return replace(found, resource=allowed.resource) if found.action == allowed.action else found


def _denial(call: Callable[[], object]) -> FinalError | None:
    """Make the call and return AWS's answer if IAM denied it."""
    try:
        call()
    except RepositoryAbsent:
        raise
    except RegistryAnswer:
        return None  # ECR itself refused it: IAM had let it through
    except FinalError as error:
        return error if error.code is Code.ACCESS_DENIED else None
    return None
