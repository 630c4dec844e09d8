"""What is asked for hundreds of repositories: everything, in as few simulations as they fit into."""

from __future__ import annotations

from collections import Counter
from typing import Final

from chalicelib.access.needs import Wanted, needs
from chalicelib.names import CONFIRM, PUSH, RECEIVE
from chalicelib.oci.reference import Registry, Repository, RepositoryName

HOME: Final = Registry("111122223333", "us-east-1")
ELSEWHERE: Final = [Registry("111122223333", region) for region in ("eu-west-1", "us-west-2")]
NAMES: Final = [RepositoryName(f"team/app{number}") for number in range(120)]


def test_hundreds_of_repositories_take_few_simulations_and_none_is_left_out() -> None:
    repositories = {Repository(HOME, name): {"team": "a" if number % 2 else "b"} for number, name in enumerate(NAMES)}
    replicas = tuple(Repository(registry, name) for registry in ELSEWHERE for name in NAMES)
    asked = list(
        needs(
            Wanted(
                partition="aws",
                registry=HOME,
                repositories=repositories,
                created=frozenset(repositories),
                replicas=replicas,
            )
        )
    )

    assert len(asked) < 35
    assert max(len(need.resources) * len(need.actions) for need in asked) <= 1_000
    of_repositories = [need for need in asked if need.repositories]
    said = Counter(
        (one.function, action, arn) for one in of_repositories for action in one.actions for arn in one.resources
    )
    assert set(said.values()) == {1}
    for repository in repositories:
        arn = repository.arn("aws")
        assert said[RECEIVE, "ecr:CreateRepository", arn] == said[PUSH, "ecr:UploadLayerPart", arn] == 1
    for replica in replicas:
        assert said[CONFIRM, "ecr:BatchGetImage", replica.arn("aws")] == 1
