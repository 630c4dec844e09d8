"""Policy documents of the local AWS, parsed once: a document that was judged before costs a look into a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from chalicelib.access.evaluate import Policy, PolicyKind, parse_policy
from transship.local.iam.moto_iam import AttachedPolicy


@lru_cache(maxsize=4096)
def parsed(document: str, name: str, kind: PolicyKind) -> Policy:
    """
    Return *document* as a policy.

    Raises:
        PolicyGrammarError: It is none.
    """
    return parse_policy(document, name=name, kind=kind)


def attached(policies: Iterable[AttachedPolicy], kind: PolicyKind) -> list[Policy]:
    """
    Return the documents of *policies* as policies.

    Raises:
        PolicyGrammarError: One of them is none.
    """
    return [parsed(policy.document, policy.name, kind) for policy in policies]


def resource_policies(documents: Iterable[Mapping[str, Any]]) -> list[Policy]:
    """
    Return *documents*, which services hand over decoded, as resource-based policies.

    Raises:
        PolicyGrammarError: One of them is none.
    """
    return [parsed(json.dumps(document), "resource policy", PolicyKind.RESOURCE) for document in documents]
