"""Medians of the rounds, as one table and one JSON document."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from transship.bench.measure import Taken


def median(taken: Sequence[Taken]) -> dict[str, float]:
    """Return the medians of what several rounds took, with the fastest and the slowest."""
    return {
        "seconds": round(statistics.median(one.seconds for one in taken), 2),
        "seconds_least": round(min(one.seconds for one in taken), 2),
        "seconds_most": round(max(one.seconds for one in taken), 2),
        "cpu_seconds": round(statistics.median(one.cpu_seconds for one in taken), 2),
        "peak_rss_mib": round(max(one.peak_rss_mib for one in taken), 1),
        "rounds": len(taken),
    }


def ratios(results: Mapping[str, Mapping[str, Any]], form: str) -> dict[str, float]:
    """Return our wall and CPU time over those of the fastest run of skopeo, for the first push of *form*."""
    ours = results.get(f"{form}, first push: transship")
    theirs = [row for name, row in results.items() if name.startswith(f"{form}, first push: skopeo")]
    if ours is None or not theirs:
        return {}
    fastest = min(theirs, key=lambda row: row["seconds"])
    return {
        "wall": round(ours["seconds"] / fastest["seconds"], 2),
        "cpu": round(ours["cpu_seconds"] / min(row["cpu_seconds"] for row in theirs), 2),
    }


def show(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table."""
    table = Table(title="medians", title_justify="left")
    for column in ("case", "wall s", "(least, most)", "CPU s", "peak MiB", "rounds"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for case, row in results.items():
        spread = f"{row['seconds_least']:.2f}, {row['seconds_most']:.2f}"
        table.add_row(
            case,
            f"{row['seconds']:.2f}",
            spread,
            f"{row['cpu_seconds']:.2f}",
            f"{row['peak_rss_mib']:.0f}",
            str(row["rounds"]),
        )
    Console(width=120).print(table)


def show_cost(costs: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what the functions and the requests cost, and which limit binds first as use grows."""
    console = Console(width=120)
    table = Table(title="cost by memory of the function", title_justify="left")
    for column in ("what", "MiB", "seconds", "GB-seconds", "dollars"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what in ("a GiB of layers read", "this image", "cdk-ecr-deployment, 1,108 MiB"):
        for memory, row in costs[what].items():
            table.add_row(what, memory, f"{row['seconds']:.2f}", f"{row['gb_seconds']:.2f}", f"{row['dollars']:.6f}")
    console.print(table)
    for what in ("requests of this image", "requests of this image unchanged"):
        console.print(f"{what}: {_listed(costs[what])}")
    if costs["growth"]:
        _show_growth(console, costs["growth"])
    for what, limits in costs["images a second"].items():
        console.print(f"images a second, {what}, the scarcest first: {_listed(limits)}")


def _show_growth(console: Console, rows: Mapping[str, Mapping[str, float]]) -> None:
    table = Table(title="what an upload takes, and how it grows", title_justify="left")
    table.add_column("for")
    for name in next(iter(rows.values())):
        table.add_column(name.replace("_", " "), justify="right")
    for what, row in rows.items():
        table.add_row(what, *(f"{value:.3g}" for value in row.values()))
    console.print(table)


def show_index(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what it took to find out what archives hold."""
    table = Table(title="index of an archive", title_justify="left")
    for column in ("archive", "GETs", "bytes read", "of", "seconds", "peak MiB"):
        table.add_column(column, justify="left" if column == "archive" else "right")
    for archive, row in results.items():
        read, size = f"{row['bytes_read']:,}", f"{row['bytes']:,}"
        table.add_row(archive, str(row["requests"]), read, size, str(row["seconds"]), str(row["peak_rss_mib"]))
    Console(width=120).print(table)


def show_cold_starts(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how soon functions answer from the start of their processes."""
    table = Table(title="cold starts of a small image, medians", title_justify="left")
    for column in ("function", "asks for its event after s", "answers it after s", "(least)", "CPU s", "starts"):
        table.add_column(column, justify="left" if column == "function" else "right")
    for function, row in results.items():
        soon = row["asks_after_seconds"], row["answers_after_seconds"], row["answers_after_seconds_least"]
        table.add_row(function, *(f"{seconds:.3f}" for seconds in soon), str(row["cpu_seconds"]), str(row["starts"]))
    Console(width=120).print(table)


def show_giant(row: Mapping[str, Any]) -> None:
    """Print what one layer took that is nowhere stored."""
    gib = row["bytes"] / (1 << 30)
    Console(width=120).print(
        f"one layer of {gib:g} GiB, {row['method']}: {row['seconds']:.0f} s, {row['cpu_seconds']:.0f} CPU s, "
        f"{row['parts']} parts, peak {row['peak_rss_mib']} MiB"
    )


def _listed(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in row.items())
