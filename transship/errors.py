"""What can go wrong on a workstation: one sentence on what happened, one on what to do next."""

from __future__ import annotations

from typing import IO, Any

import click


class CommandError(click.ClickException):
    """
    A command cannot go on; its exit status is 1.

    Args:
        message: What happened.
        remedy: What to do next.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy

    def show(self, file: IO[Any] | None = None) -> None:
        """Write both sentences to standard error."""
        click.echo(f"error: {self.message}\n{self.remedy}", err=True, file=file)


class ArgumentsError(CommandError):
    """The command line itself is wrong; the exit status is 2, as click's own."""

    exit_code = 2
