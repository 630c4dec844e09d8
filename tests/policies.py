"""Policy documents, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without(document: Mapping[str, Any], action: str) -> dict[str, Any]:
    """Return a policy document with one action taken out, and every statement that is then empty."""
    statements = []
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if rest := [one for one in actions if one != action]:
            statements.append({**statement, "Action": rest})
    return {**document, "Statement": statements}
