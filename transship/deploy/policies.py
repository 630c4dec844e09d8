"""
The policies of the functions, narrowed from what they must be as static files to one deployment.

`.chalice/policy-<function>.json` are complete policies: Chalice substitutes nothing in them, and `chalice deploy` by
hand takes them as they are. They therefore leave partition, account and stage open. Here:

- every ARN gets the partition, the account and the stage. The Region stays open: roles are global, so a stage that is
  deployed in two Regions has one role for both; and confirm reads back from its account's other Regions;
- statements for what the stage's settings do not ask for are dropped: creating repositories, keys of KMS, healing,
  scans, receipts;
- the roles of other accounts, to read back and to push, are those of the settings.

A condition on aws:ResourceAccount would close the account too, but the policy simulator does not know that key
(ecr.md 6.3): every preflight would report it as missing and deny (docs/decisions).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib.names import Deployment
from chalicelib.settings import Settings

CREATE: Final = "CreateRepositories"
REPOSITORY_KEY: Final = "GrantRepositoryKey"
BUCKET_KEY: Final = "DecryptUploads"
READERS: Final = "ReadBackElsewhere"
WRITERS: Final = "PushElsewhere"
HEALS: Final = "RemoveHealTags"
SCANS: Final = "WaitForScans"
RECEIPTS: Final = "WriteReceipts"
RECEIPTS_KEY: Final = "EncryptReceipts"


def narrow(document: Mapping[str, Any], deployment: Deployment, settings: Settings) -> dict[str, Any]:
    """Return *document* with what *deployment* needs under *settings*, and nothing else."""
    resources = _exact_resources(settings)
    statements = [
        {**statement, "Resource": narrowed}
        for statement in document["Statement"]
        if (narrowed := resources.get(statement["Sid"], _narrowed(statement["Resource"], deployment, settings)))
    ]
    return {**document, "Statement": statements}


def _exact_resources(settings: Settings) -> dict[str, list[str]]:
    """Return the resources of the statements that depend on settings; without any, the statement goes."""
    exact = {
        READERS: sorted(reader.role_arn for reader in settings.readers.values()),
        WRITERS: sorted(writer.role_arn for writer in settings.writers.values()),
        BUCKET_KEY: [settings.bucket_kms_key] if settings.bucket_kms_key else [],
        RECEIPTS_KEY: [settings.bucket_kms_key] if settings.bucket_kms_key else [],
        REPOSITORY_KEY: [settings.repository_kms_key] if settings.repository_kms_key else [],
    }
    if not settings.create_repositories:
        exact |= {CREATE: [], REPOSITORY_KEY: []}
    if settings.heal == "off":
        exact[HEALS] = []
    if settings.scan_severity == "off":
        exact[SCANS] = []
    if not settings.receipts:
        exact |= {RECEIPTS: [], RECEIPTS_KEY: []}
    return exact


def _narrowed(resource: str | list[str], deployment: Deployment, settings: Settings) -> list[str]:
    return [narrowed for arn in _as_list(resource) for narrowed in _narrowed_arns(arn, deployment, settings)]


def _narrowed_arns(arn: str, deployment: Deployment, settings: Settings) -> Iterator[str]:
    if arn == "*":
        yield arn
        return
    _, _, service, region, account, resource = arn.split(":", 5)
    if service == "s3":
        bucket = f"transship-{deployment.stage}-{deployment.account}-*"
        resource = resource.replace("transship-*", bucket).replace("/uploads/", f"/{settings.prefix}")
        resource = resource.replace("/access/*", f"/{settings.rules_key}")
    else:
        account = deployment.account
        resource = resource.replace("transship-*", f"transship-{deployment.stage}")
    yield f"arn:{deployment.partition}:{service}:{region}:{account}:{resource}"
    if service == "ecr" and settings.target_account not in {"", account} | settings.writers.keys():
        # Our own roles push into the other account; its repositories' policies let them.
        yield f"arn:{deployment.partition}:{service}:{region}:{settings.target_account}:{resource}"


def _as_list(value: str | list[str]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        yield from value
