"""Where output goes: a result or one JSON document on standard output, what is for eyes on standard error."""

from __future__ import annotations

import json
from typing import Any, Final

import click
from rich.console import Console

SCREEN: Final = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard error, whatever it is at the moment of writing: progress and prose."""

RESULT: Final = Console(highlight=False, soft_wrap=True)
"""Standard output: what a command was asked for, unless it is asked for as JSON."""


def say(text: str, style: str | None = None) -> None:
    """Write a line of prose to standard error."""
    SCREEN.print(text, style=style, markup=False)


def print_json(document: Any) -> None:
    """Write *document* to standard output on one line; with --json nothing else is ever written there."""
    click.echo(json.dumps(document, ensure_ascii=False))
