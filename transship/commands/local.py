"""`transship local`: AWS on this machine, to look around in or to move an image through."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from transship.commands.options import json_option
from transship.demo import DEMO_REPOSITORY, build_demo_archive
from transship.errors import ArgumentsError
from transship.keys import upload_key
from transship.local.command import aws, ecr_option, fault_option
from transship.local.ecr.option_text import parse_options
from transship.local.endings import stay, until_stopped
from transship.local_push import push_archive
from transship.local_stage import LocalStage, local_stage
from transship.view.local import announcing, show_events, show_look, show_ready, show_summary
from transship.view.screen import print_json, say

_DEMO: Final = Path(__file__).resolve().parents[2] / "build" / "demo-1.0.tar"


@click.group("local")
def command() -> None:
    """Run AWS and Transship on this machine: no account, no Docker, nothing left behind."""


command.add_command(aws)


@command.command("up")
@fault_option
@ecr_option
@json_option
def up(*, faults: tuple[str, ...], switches: tuple[str, ...], as_json: bool) -> None:
    """
    Start AWS on this machine with Transship deployed into it, and stay until Ctrl-C.

    Shows the endpoint for AWS_ENDPOINT_URL, credentials, the bucket, and for each of the five registries the address
    for docker, skopeo, crane, oras or helm. With --json one line is printed when everything is ready.
    """
    with until_stopped(say), _stage(faults, switches) as stage:
        if as_json:
            print_json(ready_document(stage))
            sys.stdout.flush()
        else:
            show_ready(stage)
        stay()


@command.command("push")
@click.argument(
    "archives", nargs=-1, metavar="[ARCHIVE]...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--key", help="The object's key; for one archive.  [default: uploads/<repository>/<file name>]")
@click.option("--repository", help="Where the image goes.  [default: vendor/<file name without its suffixes>]")
@click.option("--tag", help="Tag of an image to which the archive gives none; becomes part of the file name.")
@click.option("--keep/--no-keep", default=None, help="Stay up afterwards until Ctrl-C.  [default: keep on a terminal]")
@click.option("--timeout", type=float, default=900.0, show_default=True, help="Seconds to wait for each archive.")
@fault_option
@ecr_option
@json_option
def push(
    archives: tuple[Path, ...],
    *,
    key: str | None,
    repository: str | None,
    tag: str | None,
    keep: bool | None,
    timeout: float,
    faults: tuple[str, ...],
    switches: tuple[str, ...],
    as_json: bool,
) -> None:
    """
    Move each ARCHIVE all the way on this machine; without one, an image built of its own Python installation.

    Starts AWS on this machine, deploys Transship, uploads, and follows each upload until every destination has been
    read back. The exit status is 0 only if every destination of every archive was verified.
    """
    if key and len(archives) > 1:
        raise ArgumentsError("--key names one object, but there are several archives.", "Use --repository.")
    if not archives:
        archives, repository = (_demo(),), repository or DEMO_REPOSITORY
    places = [upload_key(archive, key=key, repository=repository, tag=tag) for archive in archives]
    documents: list[dict[str, Any]] = []
    keeps = _keeps(keep, as_json=as_json)
    with until_stopped(say), _stage(faults, switches) as stage:
        for archive, place in zip(archives, places, strict=True):
            documents.append(push_archive(stage, archive, place, timeout))
            _show(stage, documents[-1], keeps=keeps)
        if as_json:
            print_json(documents if len(documents) > 1 else documents[0])
            sys.stdout.flush()
        if keeps:
            say("\nAWS stays up on this machine until you press Ctrl-C.", "bold")
            stay()
    if len(documents) < len(archives) or any(document["status"] != "available" for document in documents):
        raise SystemExit(1)


def _demo() -> Path:
    say("building a demo image ...")
    return build_demo_archive(_DEMO).path


def _show(stage: LocalStage, document: dict[str, Any], *, keeps: bool) -> None:
    show_events(document["events"])
    show_summary(document)
    show_look(stage.registries(), document["images"], keeps=keeps)


def _keeps(keep: bool | None, *, as_json: bool) -> bool:
    """Whether to stay up: as asked, else if somebody sits at a terminal and may want to look at the image."""
    if keep is not None:
        return keep
    return sys.stdin.isatty() and sys.stderr.isatty() and not as_json


def ready_document(stage: LocalStage) -> dict[str, Any]:
    """Return what `local up --json` prints."""
    return {
        "endpoint_url": stage.endpoint_url,
        "bucket": stage.deployment.bucket,
        "bus": stage.deployment.bus_arn.rpartition("/")[2],
        "environment": stage.environment,
        "registries": [asdict(registry) for registry in stage.registries()],
    }


@contextmanager
def _stage(faults: tuple[str, ...], switches: tuple[str, ...]) -> Iterator[LocalStage]:
    options = parse_options(switches)
    with announcing() as on_step, local_stage(faults=faults, ecr_options=options, on_step=on_step) as stage:
        on_step(None)
        try:
            yield stage
        except KeyboardInterrupt:
            say("\nstopping ...")
            raise
