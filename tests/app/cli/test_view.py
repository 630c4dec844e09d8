"""What people see of an upload."""

from __future__ import annotations

import dataclasses
import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from chalicelib.replacing import replace
from chalicelib.state.records import Arrival
from chalicelib.state.upload import Opening, State, former_id
from tests.app.cli.conftest import IMAGE, LAYER, REPLICA, UPLOAD, VERSION
from transship.finding import Finding, Standing, worst
from transship.observation import Observation
from transship.recent import RecentUpload, StoredVersion
from transship.view.findings import show_findings
from transship.view.recent import recent_table
from transship.view.text import foreign, plural, seconds, size
from transship.view.upload import Mark, steps, watching

DONE = Observation(UPLOAD, (IMAGE,), (LAYER,), (REPLICA,))


def _marks(seen: Observation) -> dict[str, Mark]:
    return {step.name: step.mark for step in steps(seen)}


def test_an_available_upload_has_every_step_done() -> None:
    assert _marks(DONE) == {
        "accepted": Mark.DONE,
        "layers": Mark.DONE,
        "pushed vendor/app:1.4": Mark.DONE,
        "444455556666/eu-central-1": Mark.DONE,
        "available": Mark.DONE,
    }


def test_a_destination_that_waits_is_busy() -> None:
    waiting = dataclasses.replace(
        DONE, upload=replace(UPLOAD, state=State.CONFIRMING), replicas=(replace(REPLICA, status=Arrival.WAITING),)
    )

    assert _marks(waiting)["444455556666/eu-central-1"] is Mark.BUSY


def test_layers_are_counted_while_they_are_pushed() -> None:
    half = Observation(
        replace(UPLOAD, state=State.PUSHING, published=0.0, tally={"layers_skipped": 1}),
        (replace(IMAGE, put=False, digest=None),),
        (
            LAYER,
            replace(LAYER, size=11 << 20, progress={"sent": 10 << 20, "part_size": 10 << 20}),
            replace(LAYER, stored=False, progress={"sent": 20 << 20, "part_size": 10 << 20}),
        ),
    )

    (pushing,) = [step for step in steps(half) if step.mark is Mark.BUSY]
    assert pushing.text == "2 of 3 stored, 31.0 MiB in 4 parts, 1 skipped"


@pytest.mark.parametrize(
    ("state", "marks"),
    [(State.PUSHING, {"opening": Mark.BUSY}), (State.REJECTED, {"rejected": Mark.BAD})],
    ids=["while it is opened", "when it was refused then"],
)
def test_a_compressed_archive_has_nothing_to_show_before_it_is_opened(state: State, marks: dict[str, Mark]) -> None:
    sealed = replace(UPLOAD, state=state, published=0.0, kind="", opening=Opening("gzip"), code="", detail="")

    assert _marks(Observation(sealed)) == marks


def test_a_rejection_shows_code_sentence_and_remedy() -> None:
    rejected = Observation(replace(UPLOAD, state=State.REJECTED, accepted=0.0, code="EMPTY_OBJECT", detail="no bytes"))

    (end,) = steps(rejected)
    assert (end.mark, end.name) == (Mark.BAD, "rejected")
    assert end.text.startswith("EMPTY_OBJECT: no bytes\nUpload the archive again")


def test_lines_show_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as show:
        show(dataclasses.replace(DONE, upload=replace(UPLOAD, state=State.CONFIRMING), replicas=()))
        show(DONE)
        show(DONE)

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("accepted") == 1
    assert shown.err.count("verified after 1.23 s, by digest and by tag") == 1


def test_what_others_chose_cannot_steer_the_terminal() -> None:
    assert foreign("a\x1b[31m\n\u202eb") == "a\\x1b[31m\\n\\u202eb"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (68_787_712, "65.6 MiB"), (1 << 45, "32.0 TiB")],
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("count", "text"), [(0.4211, "0.42 s"), (12.34, "12.3 s"), (245.0, "4 min 05 s")])
def test_seconds(count: float, text: str) -> None:
    assert seconds(count) == text


def test_plural() -> None:
    assert [plural(count, "layer") for count in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]


FINDINGS = [
    Finding("queue a exists", holds=True),
    Finding("queue b exists", holds=True),
    Finding("table t is ready", holds=True),
    Finding("function a is ready", holds=False),
    Finding("function b is ready", holds=False),
    Finding("bus x exists", holds=False, remedy="Look for it."),
    Finding("destination y takes replicas", holds=None, remedy="Ask y."),
]


def test_findings_are_shown_by_kind_and_those_to_mend_last_each_remedy_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_findings(FINDINGS, every=False)

    assert capsys.readouterr().out.splitlines() == [
        "✓ queue: 2 checks",
        "✓ table: 1 check",
        "? not seen: destination y takes replicas",
        "  Ask y.",
        "✗ not so: function a is ready",
        "✗ not so: function b is ready",
        "  Deploy again.",
        "✗ not so: bus x exists",
        "  Look for it.",
        "",
        "7 checks: 3 findings to mend, 1 that you may not see",
    ]


def test_what_holds_is_shown_one_by_one_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    show_findings(FINDINGS[:3], every=True)

    assert capsys.readouterr().out.splitlines() == [
        "✓ queue a exists",
        "✓ queue b exists",
        "✓ table t is ready",
        "",
        "3 checks: everything holds",
    ]


@pytest.mark.parametrize(
    ("holding", "standing"),
    [
        ([], Standing.SOUND),
        ([True, True], Standing.SOUND),
        ([True, None], Standing.UNKNOWN),
        ([None, False, True], Standing.UNSOUND),
    ],
)
def test_the_worst_finding_stands_for_all(holding: list[bool | None], standing: Standing) -> None:
    assert worst(Finding("x", holds) for holds in holding) is standing


@pytest.mark.parametrize("width", [80, 120, 1_000])
def test_a_table_of_recent_uploads_shows_ids_whole(width: int) -> None:
    version = StoredVersion(UPLOAD.id, former_id(VERSION), VERSION.key, "v1", VERSION.size, datetime.now(UTC))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(recent_table([RecentUpload(version, UPLOAD)]))

    shown = console.export_text()
    assert UPLOAD.id in shown
    assert max(len(line) for line in shown.splitlines()) <= width
    assert "available" in shown
