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
    "push": "upload an archive, and follow it to its end",
    "status": "recent uploads, or one in full",
    "inspect": "what an archive holds, without uploading it",
    "retry": "a new attempt on an upload that failed",
    "heal": "what is missing where, and bringing it",
    "export": "audit records as JSON lines",
    "doctor": "what holds of a deployment, and how to mend the rest",
    "policy": "least-privilege policy documents",
    "rules": "who may push what where",
    "deploy": "a stage, into this account and Region",
    "local": "AWS and Transship on this machine",
}
"""Each command with what it is, in the order in which `--help` lists them; its module is `commands.<name>`."""


class _Commands(click.Group):
    """A group that imports a command when it is needed (click's documentation, "Lazily Loading Subcommands")."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"transship.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="transship")
def main() -> None:
    """
    Move container images from a tarball in S3 into Amazon ECR, and prove that every replica has them.

    Results go to standard output, progress and prose to standard error. With --json a command prints one JSON
    document. The exit status is 0 only for success, 1 for a failure, 2 for a wrong command line.
    """
