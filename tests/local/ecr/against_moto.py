"""
The conformance points run against stock moto: how many of them it answers as ECR would.

`python -m tests.local.ecr.against_moto` prints the count. Points that need a fault rule or a switch of ours are left
out, since nobody else could answer them.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from tests.local.ecr import points_images, points_registry  # noqa: F401 - they register their points
from tests.local.ecr.points import POINTS, Point
from tests.local.ecr.world import World


class Stranger(World):
    """A world whose ECR is somebody else's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, account: str = "111122223333", region: str = "us-east-1") -> Any:
        if (account, region) not in self._clients:
            self._clients[account, region] = boto3.client(
                "ecr",
                region_name=region,
                endpoint_url=self._url,
                aws_access_key_id="AKIA0000000000000000",
                aws_secret_access_key="secret",
                config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
            )
        return self._clients[account, region]

    def settle(self) -> None:
        """Nothing here runs later."""


def is_fair(point: Point) -> bool:
    """Tell whether a stranger could be asked for *point*."""
    return not point.options and point.error != "ServerException"


def answers(world: World, point: Point) -> bool:
    """Tell whether the point's call fails with its error."""
    try:
        point.act(world)
    except ClientError as error:
        return error.response["Error"]["Code"] == point.error and error.operation_name == point.operation
    except (BotoCoreError, KeyError):
        # An answer without the members that the point goes on with is no right answer.
        return False
    return False


def count() -> tuple[int, int]:
    """Return how many fair points stock moto answers rightly, and how many there are."""
    # Its account is one for all keys unless told otherwise.
    os.environ["MOTO_ACCOUNT_ID"] = "111122223333"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        fair = [point for point in POINTS.values() if is_fair(point)]
        right = 0
        for point in fair:
            urllib3.request("POST", f"{url}/moto-api/reset", timeout=60)
            right += answers(Stranger(url), point)
        return right, len(fair)
    finally:
        server.stop()


if __name__ == "__main__":
    right, all_points = count()
    print(f"stock moto answers {right} of {all_points} points")  # noqa: T201 - what the program is for
