"""
A function as the control plane knows it, and the one place that reads moto's Lambda backend.

What is not in `FunctionConfiguration` does not take part here: VPC, ephemeral storage, file systems.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import lambda_backends

from transship.local.functions.errors import ResourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class FunctionArn:
    """The parts of `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`."""

    partition: str
    region: str
    account: str
    name: str
    qualifier: str | None = None

    @classmethod
    def parse(cls, text: str) -> FunctionArn:
        """
        Read *text*.

        Raises:
            ResourceNotFoundError: It is no function's ARN.
        """
        parts = text.split(":")
        if len(parts) not in {7, 8} or parts[0] != "arn" or parts[2] != "lambda" or parts[5] != "function":
            raise ResourceNotFoundError(f"Function not found: {text}")
        return cls(parts[1], parts[3], parts[4], parts[6], parts[7] if len(parts) == 8 else None)

    def __str__(self) -> str:
        """Return the ARN."""
        text = f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{self.name}"
        return f"{text}:{self.qualifier}" if self.qualifier else text


@dataclass(frozen=True, slots=True)
class Package:
    """A zip of files, with its sha256 in hexadecimal."""

    content: bytes = field(repr=False)
    sha256: str


@dataclass(frozen=True, slots=True)
class FunctionConfiguration:
    """
    One version of a function.

    Attributes:
        arn: Without qualifier.
        timeout: Seconds an invocation may take.
        memory_mib: MiB its process may hold.
        code: The deployed zip.
        code_sha256: Of *code*, hexadecimal.
        layers: Zips that are unpacked over each other beside it, in their order.
        reserved_concurrency: None: it shares the account's.
        recursive: Whether it may call itself without end (`RecursiveLoop` is Allow).
        dead_letter_arn: Where asynchronous events go that failed for good.
        invoke_config: What PutFunctionEventInvokeConfig set.
    """

    arn: FunctionArn
    version: str
    handler: str
    runtime: str
    role: str
    timeout: float
    memory_mib: int
    variables: Mapping[str, str]
    code: bytes = field(repr=False)
    code_sha256: str
    layers: tuple[Package, ...] = ()
    reserved_concurrency: int | None = None
    recursive: bool = False
    dead_letter_arn: str | None = None
    invoke_config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.arn.name

    @property
    def fingerprint(self) -> str:
        """Two configurations that need different processes have different fingerprints."""
        parts = (self.version, self.handler, self.runtime, self.role, self.timeout, self.memory_mib)
        packages = (self.code_sha256, *(layer.sha256 for layer in self.layers))
        return json.dumps([str(self.arn), *parts, *packages, sorted(self.variables.items())])


def find_function(arn: str) -> FunctionConfiguration:
    """
    Return the function that *arn* names.

    Raises:
        ResourceNotFoundError: There is none.
    """
    parsed = FunctionArn.parse(arn)
    try:
        function = lambda_backends[parsed.account][parsed.region].get_function(parsed.name, parsed.qualifier)
    except (UnknownFunctionException, KeyError) as error:  # KeyError: no such Region
        raise ResourceNotFoundError(f"Function not found: {arn}") from error
    return _read(parsed, function)


def _read(arn: FunctionArn, function: Any) -> FunctionConfiguration:
    reserved = function.reserved_concurrency
    return FunctionConfiguration(
        arn=FunctionArn(arn.partition, arn.region, arn.account, function.function_name),
        version=str(function.version),
        handler=function.handler,
        runtime=function.run_time,
        role=function.role,
        timeout=float(function.timeout),
        memory_mib=int(function.memory_size),
        variables=dict(function.environment_vars),
        code=function.code_bytes,
        code_sha256=function.code_digest,
        layers=tuple(_read_layer(layer["Arn"]) for layer in function.layers),
        reserved_concurrency=None if reserved is None else int(reserved),
        recursive=getattr(function, "recursive_loop", None) == "Allow",
        dead_letter_arn=(getattr(function, "dead_letter_config", None) or {}).get("TargetArn"),
        invoke_config=function.event_invoke_config[-1].config if function.event_invoke_config else {},
    )


def _read_layer(version_arn: str) -> Package:
    version = find_layer_version(version_arn)
    return Package(version.code_bytes, version.code_digest)


def find_layer_version(version_arn: str) -> Any:
    """
    Return moto's layer version that `arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:VERSION` names.

    Raises:
        ResourceNotFoundError: There is none.
    """
    _, _, _, region, account, *_ = version_arn.split(":")
    version = lambda_backends[account][region].layers_versions_by_arn(version_arn)
    if version is None:
        raise ResourceNotFoundError(f"Layer version {version_arn} does not exist.")
    return version


@dataclass(frozen=True, slots=True)
class SqsMapping:
    """
    An event source mapping whose source is a queue.

    Attributes:
        batch_size: Messages per invocation, at most.
        window: Seconds to wait for a full batch.
        maximum_concurrency: Batches in flight, None: not limited by the mapping.
        partial: Whether the function reports batch item failures.
    """

    uuid: str
    queue_arn: str
    function_arn: str
    batch_size: int
    window: float
    maximum_concurrency: int | None
    partial: bool


def enabled_sqs_mappings() -> Iterator[SqsMapping]:
    """Yield every enabled mapping of a queue to a function, in all accounts and Regions."""
    backends: list[Any] = [backend for _, _, backend in lambda_backends.iter_backends()]
    for backend in backends:
        for mapping in backend.list_event_source_mappings(None, None):
            if mapping.enabled and mapping.event_source_arn.split(":")[2] == "sqs":
                yield _read_mapping(mapping)


def _read_mapping(mapping: Any) -> SqsMapping:
    return SqsMapping(
        uuid=mapping.uuid,
        queue_arn=mapping.event_source_arn,
        function_arn=mapping.function_arn,
        batch_size=mapping.batch_size,
        window=float(mapping.max_batch_window or 0),
        maximum_concurrency=(mapping.scaling_config or {}).get("MaximumConcurrency"),
        partial="ReportBatchItemFailures" in (mapping.function_response_types or ()),
    )
