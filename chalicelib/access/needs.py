"""
Which actions a push needs, by the function that makes the calls: the list that preflight asks about.

Source: ecr.md 6.1 and the Service Authorization Reference for ECR; GetAuthorizationToken and DescribeRegistry know no
resource. The JSON API itself needs no GetAuthorizationToken, but ECR's guide asks every pusher to be able to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from chalicelib.names import CONFIRM, PUBLISH, PUSH

LAYER_ACTIONS: Final = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
)
ON_REPOSITORY: Final = {
    PUSH: LAYER_ACTIONS,
    PUBLISH: (*LAYER_ACTIONS, "ecr:PutImage", "ecr:BatchGetImage"),
    CONFIRM: ("ecr:DescribeImageReplicationStatus", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"),
}
ON_ANYTHING: Final = {
    PUSH: ("ecr:GetAuthorizationToken",),
    PUBLISH: ("ecr:GetAuthorizationToken", "ecr:DescribeRegistry"),
}


@dataclass(frozen=True, slots=True)
class Need:
    """What the role of *function* must be able to do to *resource* (an ARN or `*`)."""

    function: str
    actions: tuple[str, ...]
    resource: str


def needs(repository_arns: Iterable[str], functions: Iterable[str] = (PUSH, PUBLISH, CONFIRM)) -> Iterator[Need]:
    """Yield what each of *functions* needs to bring an image into the repositories and to confirm it there."""
    arns = tuple(repository_arns)
    for function in functions:
        if function in ON_ANYTHING:
            yield Need(function, ON_ANYTHING[function], "*")
        yield from (Need(function, ON_REPOSITORY[function], arn) for arn in arns)
