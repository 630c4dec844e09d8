"""
Lambda on this machine: deployed zips run as processes under AWS's own runtime client.

`FunctionService` is the room's front; `LambdaApi` answers Invoke at the front door, `installed` connects moto's
queues, mappings and rules. The way of an invocation: `service` -> `concurrency` -> `pool` -> `environment` ->
`process` and `runtime_api`.
"""

from transship.local.functions.lambda_api import LambdaApi
from transship.local.functions.moto_hooks import installed
from transship.local.functions.service import FunctionService, InvokeResult

__all__ = ["FunctionService", "InvokeResult", "LambdaApi", "installed"]
