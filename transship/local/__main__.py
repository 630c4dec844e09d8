"""`python -m transship.local`."""

from transship.local.command import aws

aws(prog_name="python -m transship.local")
