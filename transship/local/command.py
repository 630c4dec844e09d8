"""
AWS on this machine and nothing else, from the command line: `transship local aws`, or `python -m transship.local`.

For whoever wants a strict local ECR for another project. The stack itself is imported only when it is started, so that
`--help` and a wrong argument are answered at once.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from transship.local.ecr.faults import FaultRules
from transship.local.ecr.option_text import parse_options
from transship.local.endings import put_away_undisturbed, stay, until_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.stack import LocalAws

_REGISTRY: Final = re.compile(r"[0-9]{12}/[a-z]{2}(-[a-z]+)+-[0-9]")
_SOURCE: Final = "111122223333/us-east-1"
_T = TypeVar("_T")


def _checked(parse: Callable[[tuple[str, ...]], _T]) -> Callable[[Any, Any, tuple[str, ...]], tuple[str, ...]]:
    def check(_ctx: Any, _param: Any, texts: tuple[str, ...]) -> tuple[str, ...]:
        try:
            parse(texts)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        return texts

    return check


fault_option = click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="RULE",
    callback=_checked(FaultRules.parse),
    help="Let calls of ECR fail: OPERATION[:key=value]...:KIND, as in UploadLayerPart:nth=2:cut-after. Repeatable.",
)

ecr_option = click.option(
    "--ecr",
    "switches",
    multiple=True,
    metavar="NAME=JSON",
    callback=_checked(parse_options),
    help="Turn a switch of the local ECR: subject_must_exist=true, quotas=documented, ... Repeatable.",
)


def _registries(_ctx: Any, _param: Any, texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if not _REGISTRY.fullmatch(text):
            raise click.BadParameter(f"{text!r} is not of the form ACCOUNT/REGION, as {_SOURCE} is")
    return texts


@click.command("aws", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--registry",
    "registries",
    multiple=True,
    default=[_SOURCE],
    show_default=True,
    metavar="ACCOUNT/REGION",
    callback=_registries,
    help="An ECR registry that registry clients shall reach by a port of its own. Repeatable.",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of the endpoint.  [default: any free one]")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default="/var/tmp",  # noqa: S108 - a directory with a name of its own is made in it
    show_default=True,
    help="Where the bytes of objects and layers go, into a directory that is removed at the end.",
)
@fault_option
@ecr_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output when ready.")
def aws(
    *,
    registries: tuple[str, ...],
    port: int,
    data: Path,
    faults: tuple[str, ...],
    switches: tuple[str, ...],
    as_json: bool,
) -> None:
    """
    Start AWS on this machine, empty, and stay until Ctrl-C.

    Prints what any AWS client needs in its environment, and for each registry the address and a login for docker,
    skopeo, crane, oras or helm. The credentials are an administrator's of the first registry's account; every other
    account that a registry names exists too.
    """
    from transship.local.stack import LocalAws  # noqa: PLC0415 - takes most of a second

    places = [(account, region) for account, _, region in (text.partition("/") for text in registries)]
    with (
        until_stopped(_tell),
        tempfile.TemporaryDirectory(dir=data, prefix="transship-aws-") as folder,
        LocalAws(
            Path(folder),
            accounts=list(dict.fromkeys(account for account, _ in places)),
            registries=places,
            ecr_options=parse_options(switches),
            faults=FaultRules.parse(faults),
            port=port,
        ) as stack,
        put_away_undisturbed(),
    ):
        _show(_ready(stack), as_json=as_json)
        stay()


def _ready(stack: LocalAws) -> dict[str, Any]:
    """Return what `transship local up --json` prints, as far as there is no deployment."""
    first = stack.registries[0]
    keys = stack.administrator(first.account)
    return {
        "endpoint_url": stack.endpoint_url,
        "environment": {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_DEFAULT_REGION": first.region,
        },
        "registries": [
            {"account": one.account, "region": one.region, "host": one.host, **stack.login(one)}
            for one in stack.registries
        ],
    }


def _show(ready: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(ready))
        return
    for name, value in {"AWS_ENDPOINT_URL": ready["endpoint_url"], **ready["environment"]}.items():
        click.echo(f"export {name}={value}")
    for registry in ready["registries"]:
        place = f"{registry['account']}/{registry['region']}"
        login = f"--username {registry['username']} --password {registry['password']}"
        click.echo(f"{place}: skopeo login --tls-verify=false {login} {registry['host']}", err=True)
    _tell("ready; end it with Ctrl-C")


def _tell(text: str) -> None:
    click.echo(text, err=True)
