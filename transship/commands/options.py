"""Options that several commands share."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")

stage_option = click.option(
    "--stage",
    envvar="TRANSSHIP_STAGE",
    help="The deployment's stage.  [default: TRANSSHIP_STAGE, else the only deployment in this account and Region]",
)
