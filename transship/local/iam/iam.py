"""
IAM of the local AWS, as far as moto's own does not do: the simulator, permissions boundaries of users, and policies
checked before moto keeps them.

The simulator's own permission (iam:SimulatePrincipalPolicy on the simulated entity) is judged here, because only here
the operation's resource is known.
"""

from __future__ import annotations

from chalicelib.access.evaluate import PolicyGrammarError, PolicyKind, parse_policy
from transship.local.caller import AccessDenied, AccessRequest, Caller
from transship.local.iam.authorizer import LocalIam
from transship.local.iam.boundaries import answer_boundary
from transship.local.iam.simulate import simulate_custom_policy, simulate_principal_policy
from transship.local.protocol import Answer, AwsRequest
from transship.local.protocol_error import AwsError

_DOCUMENTS = {"PolicyDocument": PolicyKind.IDENTITY, "AssumeRolePolicyDocument": PolicyKind.RESOURCE}


class Iam:
    """Answers IAM requests; one of the front door's services."""

    def __init__(self, iam: LocalIam) -> None:
        self._iam = iam

    def __call__(self, request: AwsRequest, caller: Caller) -> Answer | None:
        """
        Answer *request*, or leave it to moto.

        Raises:
            AwsError: As IAM would refuse it.
        """
        if request.operation == "SimulatePrincipalPolicy":
            self._permit(caller, request.operation, request.params["PolicySourceArn"])
            return request.answer(simulate_principal_policy(request.params, self._iam.organizations))
        if request.operation == "SimulateCustomPolicy":
            self._permit(caller, request.operation, "*")
            return request.answer(simulate_custom_policy(request.params, caller, self._iam.organizations))
        _check_documents(request)
        return answer_boundary(request, caller)

    def _permit(self, caller: Caller, operation: str, resource: str) -> None:
        account = resource.split(":")[4] if resource.count(":") >= 5 else ""
        asked = AccessRequest(f"iam:{operation}", resource, account or caller.account)
        try:
            self._iam.authorize(caller, asked)
        except AccessDenied as denied:
            raise AwsError("AccessDenied", str(denied), 403) from denied


def _check_documents(request: AwsRequest) -> None:
    trust = request.operation == "UpdateAssumeRolePolicy"  # names its trust policy like any other
    for member, kind in _DOCUMENTS.items():
        if (document := request.params.get(member)) is not None:
            try:
                parse_policy(document, name=member, kind=PolicyKind.RESOURCE if trust else kind)
            except PolicyGrammarError as error:
                raise AwsError("MalformedPolicyDocument", str(error)) from error
