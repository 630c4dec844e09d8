"""Where output goes: a result or one JSON document on standard output, what is for eyes on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import click
from rich.console import Console, RenderableType

SCREEN: Final = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard error, whatever it is at the moment of writing: progress and prose."""

_UNBOUNDED: Final = 1_000


def show_result(result: RenderableType) -> None:
    """Write *result* to standard output: as wide as the terminal, or as wide as it is where somebody else reads it."""
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _UNBOUNDED)
    console.print(result, markup=False)


def say(text: str, style: str | None = None) -> None:
    """Write a line of prose to standard error."""
    SCREEN.print(text, style=style, markup=False)


def print_json(document: Any) -> None:
    """Write *document* to standard output on one line; with --json nothing else is ever written there."""
    click.echo(json.dumps(document, ensure_ascii=False))
