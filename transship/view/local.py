"""The local stage as a person sees it: what it is doing, how to reach it, what downstream heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.table import Table

from transship.local_stage import LocalStage, RegistryAccess
from transship.view.screen import SCREEN, say, show_result
from transship.view.text import plural, seconds, size


@contextmanager
def announcing() -> Iterator[Callable[[str | None], None]]:
    """Return what is told of each step, and at last of None: a spinner on a terminal, lines elsewhere."""
    if not SCREEN.is_terminal:
        yield lambda step: say(f"{step} ...") if step else None
        return
    status = SCREEN.status("")

    def show(step: str | None) -> None:
        if step:
            status.update(step)
            status.start()
        else:
            status.stop()

    try:
        yield show
    finally:
        status.stop()


def show_ready(stage: LocalStage) -> None:
    """Show how to reach the running stage with any client."""
    for name, value in {"AWS_ENDPOINT_URL": stage.endpoint_url, **stage.environment}.items():
        show_result(f"export {name}={value}")
    registries = stage.registries()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("registry", "address"):
        table.add_column(heading, no_wrap=True)
    for registry in registries:
        table.add_row(f"{registry.account}/{registry.region}", registry.host)
    SCREEN.print()
    SCREEN.print(table)
    source = registries[0]
    say(f"\nlog in to the source with: {login_line(source)}")
    say(f"upload with:               aws s3 cp ARCHIVE s3://{stage.deployment.bucket}/uploads/vendor/app/")
    say("or:                        transship push ARCHIVE --wait")
    say("\nready; end it with Ctrl-C", "bold")


def login_line(registry: RegistryAccess) -> str:
    """Return the command line that logs skopeo in."""
    return (
        f"skopeo login --tls-verify=false --username={registry.username} --password={registry.password} {registry.host}"
    )


def look_line(registry: RegistryAccess, repository: str, tag: str) -> str:
    """Return the command line that looks at an image in *registry*."""
    credentials = f"{registry.username}:{registry.password}"
    place = f"docker://{registry.host}/{repository}:{tag}"
    return f"skopeo inspect --tls-verify=false --creds {credentials} {place}"


def show_look(registries: Sequence[RegistryAccess], images: Sequence[Mapping[str, Any]], *, keeps: bool) -> None:
    """Show the line to look at the first image with, in the destination that is farthest from the source."""
    image = next((one for one in images if one["digest"] and one["tags"]), None)
    if image is None:
        return
    say("\nlook at the image with:" if keeps else "\nwith --keep, this AWS stays up and you look at the image with:")
    say(f"  {look_line(registries[-1], image['repository'], image['tags'][0])}")


def show_events(events: Sequence[Mapping[str, Any]]) -> None:
    """Show the events that a team in another account received."""
    say(f"\nthe subscriber in the other account received {len(events)} events:")
    for event in events:
        detail = event["detail"]
        say(f"  {event['detail-type']:<18} {_about(detail)}")


def _about(detail: Mapping[str, Any]) -> str:
    if "code" in detail:
        return f"{detail['code']}: {detail['detail']}"
    image = detail.get("image")
    if image is None:
        return ", ".join(f"{one['repository']}:{tag}" for one in detail.get("images", ()) for tag in one["tags"])
    place = detail.get("destination")
    name = f"{image['repository']}:{image['tags'][0]}" if image["tags"] else image["repository"]
    return f"{name} in {place['account']}/{place['region']}" if place else f"{name} {image['digest']}"


def show_summary(document: Mapping[str, Any]) -> None:
    """Show what the way took."""
    metrics = document["metrics"]
    if not metrics["seconds"]:
        return
    say(
        f"\n{size(metrics['source_bytes'])}, read as {size(metrics['source_bytes_read'])} in "
        f"{plural(int(metrics['source_requests']), 'request')}; {size(metrics['bytes_uploaded'])} pushed in "
        f"{plural(int(metrics['parts']), 'part')}, {seconds(metrics['seconds'])}; the functions took "
        f"{seconds(metrics['cpu_seconds'])} of CPU and {metrics['peak_rss_mib']:.0f} MiB of memory at most"
    )
