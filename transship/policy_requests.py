"""
Which policy document somebody asks for, by purpose, from what they said on the command line.

The documents themselves are `chalicelib.access.documents`; here is only which of the options each one needs, and the
CloudFormation resource that carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.access import documents
from chalicelib.access.needs import SCAN, TIDY
from chalicelib.names import Deployment
from chalicelib.oci.reference import Registry
from chalicelib.settings import Settings
from transship.deploy.policies import narrow
from transship.deploy.project import Stage, read_policy
from transship.errors import ArgumentsError


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """
    What the document is about; "" and () are what was not said.

    Attributes:
        account, region: Of the repositories, the bus or the bucket.
        partition: `aws`, `aws-cn`, `aws-us-gov` …
        repositories: Names, wildcards allowed.
        principals: ARNs (for a subscriber: ids of accounts or of an organization) of who is let in.
        source_account: Whose images are replicated.
        prefixes: Beginnings of repository names, or of keys.
        external_id: That a trust policy asks for.
        role: ARN of the role whose policy it is.
        heal_role: ARN of the role that heals in the same account.
        bucket, bus: Their names.
        stage: Of the function, or whose settings say whether uploaders have receipts ("" takes it that they have) and
            whether who pushes waits for scans or heals ("": neither).
        function: Whose own policy is asked for.
        create: Whether repositories may be created.
    """

    account: str = ""
    region: str = ""
    partition: str = "aws"
    repositories: Sequence[str] = ()
    principals: Sequence[str] = ()
    source_account: str = ""
    prefixes: Sequence[str] = ()
    external_id: str = ""
    role: str = ""
    heal_role: str = ""
    bucket: str = ""
    bus: str = ""
    stage: str = ""
    function: str = ""
    create: bool = False

    def need(self, **options: str) -> None:
        """
        Demand options, each given as attribute=name on the command line.

        Raises:
            ArgumentsError: One was not said.
        """
        missing = [option for attribute, option in options.items() if not getattr(self, attribute)]
        if missing:
            raise ArgumentsError(f"This policy needs {' and '.join(missing)}.", "See `transship policy --help`.")

    def arns(self) -> list[str]:
        """Return the ARNs of the repositories; without any named, of all in the registry."""
        self.need(account="--account", region="--region")
        place = f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository"
        return [f"{place}/{name}" for name in self.repositories or ("*",)]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a policy is for: a sentence, how it is made, and the CloudFormation resource around it."""

    meaning: str
    document: Callable[[PolicyRequest], documents.Document]
    resource: Callable[[PolicyRequest, documents.Document], Mapping[str, Any]] = field(
        default=lambda _, document: _managed_policy(document)
    )


def _managed_policy(document: documents.Document) -> Mapping[str, Any]:
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}


def _push(request: PolicyRequest) -> documents.Document:
    return documents.push_policy(request.arns() if request.repositories else ())


def _across_accounts(request: PolicyRequest) -> documents.Document:
    request.need(principals="--principal")
    return documents.push_across_accounts(request.principals, chosen=_chosen(request))


def _writer(request: PolicyRequest) -> documents.Document:
    request.need(role="--role")
    return documents.writer_policy(request.role, request.arns(), create=request.create, chosen=_chosen(request))


def _read_back(request: PolicyRequest) -> documents.Document:
    request.need(role="--role")
    return documents.read_back_policy(request.arns(), role=request.role, heal_role=request.heal_role)


def _chosen(request: PolicyRequest) -> list[str]:
    """Return what the settings of the stage ask of whoever pushes, without one nothing."""
    if not request.stage:
        return []
    settings = Stage.read(request.stage).settings
    return [action for action, asked in ((SCAN, settings.scan_severity), (TIDY, settings.heal)) if asked != "off"]


def _repository(request: PolicyRequest, document: documents.Document) -> Mapping[str, Any]:
    names = {"RepositoryName": request.repositories[0]} if request.repositories else {}
    return {"Type": "AWS::ECR::Repository", "Properties": {**names, "RepositoryPolicyText": document}}


def _replicas(request: PolicyRequest) -> documents.Document:
    request.need(account="--account", region="--region", source_account="--source-account")
    return documents.accept_replicas(
        Registry(request.account, request.region),
        request.source_account,
        partition=request.partition,
        prefixes=request.prefixes or ("",),
    )


def _registry(_: PolicyRequest, document: documents.Document) -> Mapping[str, Any]:
    return {"Type": "AWS::ECR::RegistryPolicy", "Properties": {"PolicyText": document}}


def _trust(request: PolicyRequest) -> documents.Document:
    request.need(principals="--principal", external_id="--external-id")
    return documents.trust_policy(request.principals, request.external_id)


def _role(_: PolicyRequest, document: documents.Document) -> Mapping[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}


def _uploader(request: PolicyRequest) -> documents.Document:
    request.need(principals="--principal", bucket="--bucket", prefixes="--prefix")
    bucket = f"arn:{request.partition}:s3:::{request.bucket}"
    settings = Stage.read(request.stage).settings if request.stage else Settings(stage="any", receipts=True)
    own = dict.fromkeys(request.prefixes, request.principals)
    return documents.upload_policy(bucket, own, receipts_for=settings.prefix if settings.receipts else "")


def _bucket(request: PolicyRequest, document: documents.Document) -> Mapping[str, Any]:
    return {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": request.bucket, "PolicyDocument": document}}


def _subscriber(request: PolicyRequest) -> documents.Document:
    request.need(principals="--principal", bus="--bus", account="--account", region="--region")
    arn = f"arn:{request.partition}:events:{request.region}:{request.account}:event-bus/{request.bus}"
    if not any(principal.startswith("o-") for principal in request.principals):
        return documents.subscribe_policy(arn, request.principals)
    if len(request.principals) > 1:
        raise ArgumentsError("One statement speaks of accounts or of one organization.", "Ask for a policy of each.")
    return documents.subscribe_policy(arn, (), request.principals[0])


def _bus(request: PolicyRequest, document: documents.Document) -> Mapping[str, Any]:
    (statement,) = document["Statement"]
    properties = {"EventBusName": request.bus, "StatementId": statement["Sid"], "Statement": statement}
    return {"Type": "AWS::Events::EventBusPolicy", "Properties": properties}


def _function(request: PolicyRequest) -> documents.Document:
    request.need(function="--function", stage="--stage", account="--account", region="--region")
    deployment = Deployment(request.stage, request.partition, request.region, request.account)
    return narrow(read_policy(request.function), deployment, Stage.read(request.stage).settings)


PURPOSES: Final = {
    "push": Purpose("a role that pushes images", _push),
    "push-across-accounts": Purpose(
        "the repository policy that lets --principal of other accounts push", _across_accounts, _repository
    ),
    "writer": Purpose("the role (--role) in another account through which Transship pushes there", _writer),
    "looker": Purpose(
        "the role in another account through which Transship looks there, where its own roles push",
        lambda asked: documents.looker_policy(asked.arns()),
    ),
    "replicas": Purpose(
        "the registry policy of a destination that accepts replicas from --source-account", _replicas, _registry
    ),
    "read-back": Purpose("the role (--role) in another account that reads images back", _read_back),
    "heal": Purpose(
        "the role in another account that pushes what is missing there",
        lambda asked: documents.heal_policy(asked.arns(), create=asked.create),
    ),
    "trust": Purpose("who (--principal) may assume one of these roles, with --external-id", _trust, _role),
    "function": Purpose("the role of one --function of a --stage", _function),
    "uploader": Purpose("the bucket policy that lets --principal upload below --prefix", _uploader, _bucket),
    "subscriber": Purpose(
        "the bus policy that lets accounts or an organization (--principal) keep rules of their own", _subscriber, _bus
    ),
}


def policy_document(purpose: str, request: PolicyRequest) -> documents.Document:
    """
    Return the document for one of `PURPOSES`.

    Raises:
        ArgumentsError: It needs an option that was not given, or one is not what it should be.
    """
    try:
        return PURPOSES[purpose].document(request)
    except ValueError as error:
        raise ArgumentsError(f"{error}.", "See `transship policy --help`.") from error


def cloudformation_snippet(purpose: str, request: PolicyRequest) -> dict[str, Any]:
    """Return the document for *purpose* inside the resource that carries it."""
    resource = PURPOSES[purpose].resource(request, policy_document(purpose, request))
    return {"Resources": {"Policy": resource}}
