"""botocore's models as packages have them: whatever functions call, in every Region, as the whole models say it."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, get_args

import botocore
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.regions import EndpointResolver
from botocore.session import Session

from chalicelib.aws.operations import BY_BOTOCORE, OPERATIONS
from chalicelib.aws.session import Service
from transship.deploy.models import cut_models, cut_regions
from transship.deploy.paths import ROOT

WHOLE: Final = Path(botocore.__file__).parent / "data"
ADAPTERS: Final[dict[str, tuple[Service, ...]]] = {
    "dynamodb.py": ("dynamodb",),
    "ecr.py": ("ecr",),
    "eventbridge.py": ("events",),
    "s3.py": ("s3",),
    "sqs.py": ("sqs",),
    "sts_iam.py": ("sts", "iam"),
}
CALLS: Final = [(service, name) for service, names in OPERATIONS.items() for name in sorted(names)]
REGIONS: Final = ("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1")
EVENTS: Final = (
    "before-parameter-build",
    "before-call",
    "request-created",
    "before-sign",
    "before-send",
    "needs-retry",
)
CHANGING: Final = {"authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request", "user-agent"}


@pytest.fixture(name="cut", scope="module")
def _cut(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Return a loader of what a package has."""
    data = tmp_path_factory.mktemp("botocore") / "data"
    data.mkdir()
    for file in WHOLE.glob("*.json"):
        shutil.copy(file, data)
    for service in [*OPERATIONS, "ec2"]:
        shutil.copytree(WHOLE / service, data / service)
    cut_models(data)
    cut_models(data)  # a second time changes nothing
    return Loader([str(data)], include_default_search_paths=False)


@pytest.fixture(name="whole", scope="module")
def _whole() -> Loader:
    return Loader()


def called(module: Path) -> Iterator[str]:
    """Yield the names of methods that *module* calls, and of paginators that it asks for."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr
            if node.func.attr == "get_paginator":
                yield ast.literal_eval(node.args[0])


def model(loader: Loader, service: str) -> ServiceModel:
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def session(loader: Loader) -> Session:
    made = Session()
    made.register_component("data_loader", loader)
    made.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret", "token")
    return made


def client(loader: Loader, service: str, region: str, **settings: Any) -> Any:
    config = Config(request_checksum_calculation="when_required", **settings)
    return session(loader).create_client(service, region_name=region, config=config)


def test_the_adapters_call_what_is_listed(whole: Loader) -> None:
    for module in (ROOT / "chalicelib" / "aws").glob("*.py"):
        made = set(called(module))
        for service in ADAPTERS.get(module.name, ()):
            named = {operation for operation in model(whole, service).operation_names if xform_name(operation) in made}
            assert named == OPERATIONS[service], module.name


def test_every_service_has_its_adapter() -> None:
    assert set(OPERATIONS) == {service for services in ADAPTERS.values() for service in services}
    assert set(OPERATIONS) == set(get_args(Service))


def test_nothing_else_is_packaged(cut: Loader) -> None:
    for service, operations in OPERATIONS.items():
        assert set(model(cut, service).operation_names) == operations | BY_BOTOCORE.get(service, set())
    assert cut.list_available_services("service-2") == sorted(OPERATIONS)


def test_less_than_a_tenth_is_left(cut: Loader) -> None:
    (data,) = cut.search_paths
    kept = sum(file.stat().st_size for file in Path(data).rglob("*.json"))

    assert kept < 600_000  # of 6.2 MB
    assert not list(Path(data).rglob("*.gz"))


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_a_call_takes_and_returns_what_the_whole_model_says(
    cut: Loader, whole: Loader, service: str, operation: str
) -> None:
    ours, theirs = (model(loader, service).operation_model(operation) for loader in (cut, whole))

    for one, other in ((ours.input_shape, theirs.input_shape), (ours.output_shape, theirs.output_shape)):
        assert described(one) == described(other)
    assert [described(shape) for shape in ours.error_shapes] == [described(shape) for shape in theirs.error_shapes]
    assert ours.http == theirs.http
    assert ours.metadata == theirs.metadata


def described(shape: Shape | None, above: tuple[str, ...] = ()) -> Any:
    """Return all that a shape says, but for texts; one that holds itself ends at its name."""
    if shape is None or shape.name in above:
        return shape and shape.name
    inside = (*above, shape.name)
    parts = {name: described(member, inside) for name, member in getattr(shape, "members", {}).items()}
    for part in ("member", "key", "value"):
        if isinstance(getattr(shape, part, None), Shape):
            parts[part] = described(getattr(shape, part), inside)
    return shape.name, shape.type_name, shape.metadata, shape.serialization, parts


def test_every_error_of_a_service_is_known(cut: Loader, whole: Loader) -> None:
    for service in OPERATIONS:
        ours, theirs = ({shape.name for shape in model(loader, service).error_shapes} for loader in (cut, whole))
        assert ours == theirs


class _Sent(Exception):  # noqa: N818 - no error: it keeps the request from leaving
    pass


def sent(made: Any, operation: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
    """Return the request that *made* would send."""
    requests: list[Any] = []

    def keep(request: Any, **_: Any) -> None:
        requests.append(request)
        raise _Sent

    made.meta.events.register("before-send", keep)
    with pytest.raises(_Sent):
        getattr(made, xform_name(operation))(**parameters)
    (request,) = requests
    body = request.body.read() if hasattr(request.body, "read") else request.body
    headers = {name.lower(): value for name, value in request.headers.items()}
    return request.method, request.url, body, {name: headers[name] for name in headers.keys() - CHANGING}


SAMPLES: Final = {"blob": b"bytes", "boolean": True, "timestamp": 1_700_000_000, "integer": 3, "long": 3}
DEEPEST: Final = 4  # a value of DynamoDB may hold itself
NEEDS_ANOTHER_LIBRARY: Final = {"EndpointId"}  # a global endpoint of EventBridge, signed by the CRT


def sample(shape: Any, depth: int = 0) -> Any:
    """Return a value of *shape* with every member."""
    inner = depth + 1
    if shape.type_name == "structure":
        members = {} if depth > DEEPEST else shape.members
        return {name: sample(member, inner) for name, member in members.items() if name not in NEEDS_ANOTHER_LIBRARY}
    if shape.type_name == "list":
        return [sample(shape.member, inner)]
    if shape.type_name == "map":
        return {"key": sample(shape.value, inner)}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "a-sample-of-text"
    return SAMPLES[shape.type_name]


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_a_call_sends_the_same_request(cut: Loader, whole: Loader, service: str, operation: str) -> None:
    shape = model(whole, service).operation_model(operation).input_shape
    parameters = sample(shape) if shape else {}
    ours, theirs = (
        sent(client(loader, service, "eu-central-1", parameter_validation=False), operation, dict(parameters))
        for loader in (cut, whole)
    )

    assert ours == theirs


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_no_event_of_a_call_has_a_former_name(whole: Loader, service: str, operation: str) -> None:
    """Sessions of ours do not look for any (`chalicelib/aws/session.py`)."""
    hooks, heard = HierarchicalEmitter(), list[str]()
    names = [f"{event}.{model(whole, service).service_id.hyphenize()}.{operation}" for event in EVENTS]
    for name in names:
        hooks.register(name, lambda event_name, **_: heard.append(event_name))
        EventAliaser(hooks).emit(name)

    assert heard == names


def test_every_region_has_the_same_endpoints(cut: Loader, whole: Loader) -> None:
    ours, theirs = (EndpointResolver(loader.load_data("endpoints")) for loader in (cut, whole))
    prefixes = {model(whole, service).endpoint_prefix for service in OPERATIONS}
    for partition in theirs.get_available_partitions():
        for region in _regions(whole, partition):
            assert ours.get_partition_for_region(region) == theirs.get_partition_for_region(region) == partition
            for prefix, dual, fips in product(prefixes, (False, True), (False, True)):
                one, other = (
                    _or_error(resolver, prefix, region, use_dualstack_endpoint=dual, use_fips_endpoint=fips)
                    for resolver in (ours, theirs)
                )
                assert one == other, (prefix, region, dual, fips)


def _regions(loader: Loader, partition: str) -> list[str]:
    table: dict[str, Any] = loader.load_data("endpoints")
    (found,) = [each for each in table["partitions"] if each["partition"] == partition]
    return list(found["regions"])


def _or_error(resolver: EndpointResolver, prefix: str, region: str, **variant: bool) -> Any:
    try:
        return resolver.construct_endpoint(prefix, region, **variant)
    except botocore.exceptions.EndpointVariantError as error:
        return str(error)


@pytest.mark.parametrize("service", sorted(OPERATIONS))
def test_rules_of_endpoints_are_left_alone(cut: Loader, whole: Loader, service: str) -> None:
    ours, theirs = (loader.load_service_model(service, "endpoint-rule-set-1") for loader in (cut, whole))

    assert ours == theirs
    assert cut.load_data("partitions") == whole.load_data("partitions")


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize(("dual", "fips"), [(False, False), (True, False), (False, True)])
def test_clients_of_a_region_lead_to_the_same_place(
    cut: Loader, whole: Loader, region: str, *, dual: bool, fips: bool
) -> None:
    for service in OPERATIONS:
        ours, theirs = (
            client(loader, service, region, use_dualstack_endpoint=dual, use_fips_endpoint=fips).meta.endpoint_url
            for loader in (cut, whole)
        )
        assert ours == theirs


def test_partitions_stay_whole_but_for_services() -> None:
    table = {"partitions": [{"partition": "aws", "regions": {"r": {}}, "services": {"s3": {"a": 1}, "ec2": {}}}]}

    assert cut_regions(table, {"s3"}) == {
        "partitions": [{"partition": "aws", "regions": {"r": {}}, "services": {"s3": {"a": 1}}}]
    }
