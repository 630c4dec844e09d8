"""Are we who was judged? Each function compares once per process, at its first message."""

from __future__ import annotations

from chalicelib.errors import Code, RefusedError
from chalicelib.names import function_name, role_name
from chalicelib.outside import Outside


def prove_identity(outside: Outside, function: str) -> None:
    """
    Compare our identity with the role of *function* that preflight judges, and the function's ARN with both.

    The ARN gives account, partition and Region, of which all names are made, and the stage, which the settings give.

    Raises:
        RefusedError: IDENTITY_MISMATCH.
    """
    if outside.memory.proven:
        return
    here, stage = outside.deployment, outside.settings.stage
    found = outside.identity.whoami()
    expected = f":assumed-role/{role_name(stage, function)}/"
    if (found.account, found.partition) != (here.account, here.partition) or expected not in found.arn:
        raise _mismatch(f"{function} runs as {found.arn}, which is not the role that was judged", found.arn)
    if found.region != here.region:
        raise _mismatch(f"{function} of {here.region} makes its calls to {found.region}", found.arn)
    if here.function and here.function != function_name(stage, function):
        raise _mismatch(f"{function} of stage {stage} runs as the function {here.function}", found.arn)
    outside.memory.proven = True


def prove_access(outside: Outside) -> None:
    """
    Authenticate to the registry that is pushed to, once per process: the guide asks it of every pusher (ecr.md 6.1).

    Raises:
        FinalError, TemporaryError: It is denied, or ECR does not answer.
    """
    registry, known = outside.deployment.registry, outside.memory.authenticated
    if registry not in known:
        outside.registries.client(registry).authenticate()
        known.add(registry)


def own_role(outside: Outside, function: str) -> str:
    """
    Return the true ARN of the role of *function*, asked once per process.

    Raises:
        FinalError, TemporaryError: IAM does not tell.
    """
    name, roles = role_name(outside.settings.stage, function), outside.memory.roles
    roles[name] = roles.get(name) or outside.identity.role_arn(name)
    return str(roles[name])


def _mismatch(detail: str, arn: str) -> RefusedError:
    return RefusedError(Code.IDENTITY_MISMATCH, detail, facts={"arn": arn})
