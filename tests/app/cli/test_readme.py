"""README says what the code says, and every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from transship import docs
from transship.cli import COMMANDS, main

TEXT = docs.README.read_text()


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found
        if isinstance(found, click.Group):
            yield from _commands(found, f"{path} {name}")
        else:
            yield f"{path} {name}", found


EVERY_COMMAND = dict(_commands(main, "transship"))


def test_the_tables_are_those_of_the_code() -> None:
    assert docs.written(TEXT) == TEXT, "write them with `make docs`"


def test_a_table_that_lost_its_place_is_noticed() -> None:
    with pytest.raises(LookupError, match="codes"):
        docs.written(TEXT.replace("<!-- codes -->", ""))


def test_every_command_is_in_the_table() -> None:
    assert {name.split()[1] for name in EVERY_COMMAND} == COMMANDS.keys()
    for name in EVERY_COMMAND:
        assert f"| `{name}" in TEXT


@pytest.mark.parametrize("command", EVERY_COMMAND.values(), ids=EVERY_COMMAND)
def test_a_command_explains_itself_and_knows_json(command: click.Command) -> None:
    options = [param for param in command.params if isinstance(param, click.Option)]

    assert command.help
    assert [option.name for option in options if not option.help] == []
    assert "--json" in [name for option in options for name in option.opts]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (docs.ROOT / link).exists()


def test_one_sentence_a_line() -> None:
    prose = [line for line in TEXT.splitlines() if line and line[0] not in "|<`$-#" and not line.startswith("  ")]

    assert [line for line in prose if re.search(r"[a-z)`][.] [A-Z]", line)] == []
