"""
The command line: `transship COMMAND`.

The commands live in `commands/`, one module each, and are imported when they are called: `transship status` does not
wait for what `transship local` needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "push": "transship.commands.push",
    "status": "transship.commands.status",
    "inspect": "transship.commands.inspect",
    "retry": "transship.commands.retry",
    "export": "transship.commands.export",
    "doctor": "transship.commands.doctor",
    "policy": "transship.commands.policy",
    "deploy": "transship.commands.deploy",
    "local": "transship.commands.local",
}
"""Each command with the module that holds it as `command`, in the order in which `--help` lists them."""


class _Commands(click.Group):
    """A group that imports a command when it is needed (click's documentation, "Lazily Loading Subcommands")."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="transship")
def main() -> None:
    """
    Move container images from a tarball in S3 into Amazon ECR, and prove that every replica has them.

    Results go to standard output, progress and prose to standard error. With --json a command prints one JSON
    document. The exit status is 0 only for success, 1 for a failure, 2 for a wrong command line.
    """
