"""
The tables of README.md that say what the code says: made here, compared by a test, written by `make docs`.

A table stands between `<!-- NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import fields

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.codes import Code
from chalicelib.names import FUNCTIONS
from chalicelib.settings import KNOBS, Knob
from transship.cli import main as command_line

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"

_UNITS: Final = ((1 << 30, " Gi"), (1 << 20, " Mi"))
_BLOCK: Final = "(<!-- {name} -->\n)(.*?)(<!-- end -->)"


def commands() -> str:
    """Return the table of all commands with the first sentence of their help."""
    context = click.Context(command_line, info_name="transship")
    return _table(("command", "does"), _commands(command_line, context))


def _commands(group: click.Group, context: click.Context) -> Iterable[Sequence[str]]:
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is None:
            raise LookupError(name)
        below = click.Context(found, parent=context, info_name=name)
        if isinstance(found, click.Group):
            yield from _commands(found, below)
            continue
        pieces = [piece for piece in found.collect_usage_pieces(below) if piece != "[OPTIONS]"]
        yield f"`{' '.join([below.command_path, *pieces])}`", _first_sentence(found.help or "")


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.:;]) ", paragraph)[0].rstrip(".:;")


def settings() -> str:
    """Return the table of all settings."""
    rows = [(f"`{knob.variable}`", knob.meaning, _default(knob.default), _bounds(knob)) for knob in KNOBS.values()]
    return _table(("variable", "meaning", "default", "unit and bounds"), rows)


def _default(default: Any) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, (int, float)):
        return f"`{default:.0f}`" if default == int(default) else f"`{default}`"
    return f"`{default}`" if isinstance(default, str) and default else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"


def _bounds(knob: Knob) -> str:
    if knob.choices:
        return " or ".join(f"`{choice}`" for choice in knob.choices)
    bounds = f"{_number(knob.low)} to {_number(knob.high)}" if knob.low is not None and knob.high is not None else ""
    return f"{bounds} {knob.unit}".strip()


def limits() -> str:
    """Return the table of the bounds on what is read from an archive, with the reasons of `ArchiveLimits`."""
    said = _attributes(ArchiveLimits.__doc__ or "")
    rows = [(f"`{spec.name}`", _quantity(spec.default), said[spec.name]) for spec in fields(ArchiveLimits)]
    return _table(("limit", "default", "of what, and why"), rows)


def _attributes(docstring: str) -> dict[str, str]:
    """Return what a docstring says of each attribute, its continued lines joined."""
    listed = docstring.partition("Attributes:\n")[2]
    found = re.finditer(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", listed, re.MULTILINE)
    return {match[1]: " ".join(match[2].split()) for match in found}


def _quantity(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "all"
    unit, name = next(((unit, name) for unit, name in _UNITS if value >= unit), (1, ""))
    return f"{value // unit:,}{name}"


def codes() -> str:
    """Return the table of all codes."""
    return _table(("code", "meaning", "what to do"), [(f"`{code.name}`", code.meaning, code.remedy) for code in Code])


def events() -> str:
    """Return the table of what goes on the bus, from `events/schemas/`."""
    rows = []
    for path in sorted((ROOT / "events" / "schemas").glob("*-*.json")):
        schema = json.loads(path.read_text())
        links = f"[schema](events/schemas/{path.name}), [example](events/examples/{path.name})"
        rows.append((schema["title"], schema["description"], links))
    return _table(("detail-type", "when", "files"), rows)


def patterns() -> str:
    """Return the table of `events/patterns/`, each with the pattern itself: what a subscriber copies."""
    rows = []
    for path in sorted((ROOT / "events" / "patterns").glob("*.json")):
        pattern = json.dumps(json.loads(path.read_text()))
        rows.append((f"[{path.stem.replace('-', ' ')}](events/patterns/{path.name})", f"`{pattern}`"))
    return _table(("wish", "pattern of the rule"), rows)


def permissions() -> str:
    """
    Return the table of what the roles of the functions may do, from `.chalice/policy-<function>.json`.

    An action has one row: where several resources are named, what they have in common stands for them.
    """
    steps: dict[str, dict[str, None]] = {}
    resources: dict[str, set[str]] = {}
    for function in FUNCTIONS:
        policy = json.loads((ROOT / ".chalice" / f"policy-{function}.json").read_text())
        for statement in policy["Statement"]:
            for action in _listed(statement["Action"]):
                steps.setdefault(action, {})[function] = None
                resources.setdefault(action, set()).update(_listed(statement["Resource"]))
    rows = [(f"`{action}`", f"`{_common(resources[action])}`", ", ".join(steps[action])) for action in sorted(steps)]
    return _table(("action", "resource", "needed by"), rows)


def _common(resources: Iterable[str]) -> str:
    first, *others = resources
    return f"{commonprefix([first, *others]).rstrip('*')}*" if others else first  # noqa: RUF071 - ARNs are no paths


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


TABLES: Final[dict[str, Callable[[], str]]] = {
    "commands": commands,
    "settings": settings,
    "events": events,
    "patterns": patterns,
    "permissions": permissions,
    "limits": limits,
    "codes": codes,
}


def written(text: str) -> str:
    """
    Return the README's *text* with every table as the code has it now.

    Raises:
        LookupError: The place of a table is missing.
    """
    for name, table in TABLES.items():
        block = re.compile(_BLOCK.format(name=name), re.DOTALL)
        if not block.search(text):
            raise LookupError(f"README.md has no place for the table of {name}")
        fresh = table()
        text = block.sub(lambda found, fresh=fresh: f"{found[1]}{fresh}{found[3]}", text)  # type: ignore[misc] # mypy cannot infer it
    return text


def main() -> None:
    """Write the tables into README.md, or with `--check` fail if that would change it."""
    text = README.read_text()
    fresh = written(text)
    if "--check" in sys.argv[1:]:
        sys.exit(fresh != text)
    README.write_text(fresh)


if __name__ == "__main__":
    main()
