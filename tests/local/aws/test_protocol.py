"""Requests as the front door sees them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from werkzeug.test import EnvironBuilder

from transship.local.protocol import AwsRequest, Scope

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/ecr/aws4_request, SignedHeaders=host, Signature=0"


@pytest.fixture(name="no_collector")
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_request_that_was_answered_is_gone_at_once() -> None:
    """In a circle it would wait for the collector, and with it the body: 13 MiB for each part of a layer."""
    environ = EnvironBuilder(
        method="POST",
        headers={
            "Authorization": AUTHORIZATION,
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeRegistry",
        },
        data=b"{}",
    ).get_environ()
    scope = Scope.of(environ)
    assert scope
    request = AwsRequest(environ, scope)
    assert (request.operation, request.params) == ("DescribeRegistry", {})
    held = weakref.ref(request.http)

    del request, environ

    assert held() is None
