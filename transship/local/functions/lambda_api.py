"""
The part of Lambda's API that is answered here: Invoke, the configuration of the recursion guard, layers by ARN.

Everything else of it is moto's.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.awslambda.models import lambda_backends

from transship.local.functions.configuration import FunctionArn, find_function, find_layer_version
from transship.local.functions.errors import InvokeError
from transship.local.protocol import Answer, AwsRequest
from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from transship.local.caller import Caller
    from transship.local.functions.service import FunctionService

LOG_TAIL = 4096
"""Bytes of log that `LogType=Tail` returns, before base64."""


class LambdaApi:
    """Answers its operations and leaves the others to moto."""

    def __init__(self, service: FunctionService) -> None:
        self._service = service
        self._operations = {
            "Invoke": self._invoke,
            "InvokeAsync": self._invoke_async,
            "PutFunctionRecursionConfig": self._put_recursion,
            "GetFunctionRecursionConfig": self._get_recursion,
        }

    def __call__(self, request: AwsRequest, caller: Caller) -> Answer | None:
        """Answer *request*, or return None if it is moto's."""
        operation = self._operations.get(request.operation)
        try:
            if request.operation == "GetLayerVersionByArn":
                return request.answer(find_layer_version(request.query["Arn"]).get_layer_version())
            return operation(request, _function_arn(request, caller)) if operation else None
        except InvokeError as error:
            raise _aws_error(error) from error

    def _invoke(self, request: AwsRequest, arn: str) -> Answer:
        headers = request.headers
        result = self._service.invoke(
            arn,
            request.body,
            headers.get("X-Amz-Invocation-Type", "RequestResponse"),
            trace=headers.get("X-Amzn-Trace-Id"),
            client_context=_decode(headers.get("X-Amz-Client-Context")),
        )
        output: dict[str, Any] = {"StatusCode": result.status, "Payload": b""}
        if outcome := result.outcome:
            output |= {"Payload": outcome.payload, "ExecutedVersion": result.version}
            if outcome.function_error:
                output["FunctionError"] = outcome.function_error
            if headers.get("X-Amz-Log-Type") == "Tail":
                output["LogResult"] = base64.b64encode(outcome.log.encode()[-LOG_TAIL:]).decode()
        answer = request.answer(output)
        answer.status = result.status
        answer.headers["x-amzn-RequestId"] = result.request_id
        return answer

    def _invoke_async(self, request: AwsRequest, arn: str) -> Answer:
        self._service.invoke(arn, request.body, "Event", trace=request.headers.get("X-Amzn-Trace-Id"))
        return request.answer({"Status": 202})

    def _put_recursion(self, request: AwsRequest, arn: str) -> Answer:
        setting = request.params.get("RecursiveLoop")
        if setting not in {"Allow", "Terminate"}:
            raise AwsError("InvalidParameterValueException", f"RecursiveLoop must be Allow or Terminate, not {setting}")
        find_function(arn)
        parsed = FunctionArn.parse(arn)
        function: Any = lambda_backends[parsed.account][parsed.region].get_function(parsed.name)
        function.recursive_loop = setting
        return request.answer({"RecursiveLoop": setting})

    def _get_recursion(self, request: AwsRequest, arn: str) -> Answer:
        return request.answer({"RecursiveLoop": "Allow" if find_function(arn).recursive else "Terminate"})


def _function_arn(request: AwsRequest, caller: Caller) -> str:
    """Return the ARN for FunctionName, which may be a name, a partial or a full ARN, with or without qualifier."""
    name = unquote(str(request.path_params["FunctionName"]))
    qualifier = request.query.get("Qualifier")
    if not name.startswith("arn:"):
        account, found, rest = name.partition(":function:")
        name, account = (rest, account) if found else (name, caller.account)
        name = f"arn:aws:lambda:{caller.region}:{account}:function:{name}"
    parsed = FunctionArn.parse(name)
    return name if parsed.qualifier or not qualifier else f"{name}:{qualifier}"


def _decode(text: str | None) -> str | None:
    return base64.b64decode(text).decode() if text else None


def _aws_error(error: InvokeError) -> AwsError:
    return AwsError(error.code, str(error), error.status, **error.members())
