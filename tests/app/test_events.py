"""What `events/` publishes is what the pipeline puts, and what comes in is read."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from moto.events.models import EventPattern
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from chalicelib.events import parse_hint, parse_message, parse_notifications
from chalicelib.names import Deployment
from tests.app.announced import delivered, drafts, read
from transship.local.events.patterns import check_pattern, matches

DEPLOYMENT = Deployment("prod", "aws", "us-east-1", "111122223333")
SCHEMAS = read("schemas")
EXAMPLES = read("examples")
PATTERNS = read("patterns")
INBOUND = read("inbound")
KINDS = sorted(EXAMPLES)


def validator(kind: str, *, strict: bool = False) -> Draft202012Validator:
    """Return what validates events of a kind; *strict*: members that the schema does not describe are errors."""
    resources = [DRAFT202012.create_resource(_closed(schema) if strict else schema) for schema in SCHEMAS.values()]
    registry: Registry[Any] = Registry().with_resources((str(found.id()), found) for found in resources)
    return Draft202012Validator(
        {"$ref": SCHEMAS[kind]["$id"]}, registry=registry, format_checker=FormatChecker(["date-time"])
    )


def _closed(schema: Any, *, part: bool = False) -> Any:
    """Return *schema* with all that it describes closed to other members; a *part* lies beside others in one object."""
    if isinstance(schema, list):
        return [_closed(item, part=part) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value, part=name in {"allOf", "$defs"}) for name, value in schema.items()}
    if "$defs" in schema:
        closed["$defs"] = {name: _closed(value, part=True) for name, value in schema["$defs"].items()}
    elif not part and {"allOf", "$ref", "required"} & set(schema):
        closed["unevaluatedProperties"] = False
    return closed


def test_every_kind_of_event_has_schema_and_example() -> None:
    kinds = set(drafts())

    assert kinds == set(EXAMPLES)
    assert kinds | {"common"} == set(SCHEMAS)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schema_is_sound(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_is_the_published_example(kind: str) -> None:
    assert delivered(drafts()[kind]) == EXAMPLES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_example_fits_its_schema_and_every_member_is_described(kind: str) -> None:
    validator(kind).validate(EXAMPLES[kind])
    validator(kind, strict=True).validate(EXAMPLES[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_member_that_no_schema_describes_is_found(kind: str) -> None:
    places = (["detail"], ["detail", "upload"], ["detail", "image"], ["detail", "destinations", 0])
    for place in places:
        event = copy.deepcopy(EXAMPLES[kind])
        try:
            found: Any = event
            for step in place:
                found = found[step]
        except KeyError:
            continue
        found["undescribed"] = 1

        assert not validator(kind, strict=True).is_valid(event), place


@pytest.mark.parametrize("kind", KINDS)
def test_example_fits_no_other_schema(kind: str) -> None:
    assert [other for other in KINDS if validator(other).is_valid(EXAMPLES[kind])] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_event_without_any_one_member_of_the_first_release_is_refused(kind: str) -> None:
    """What was added later cannot be demanded: events of earlier releases lack it."""
    for member in json.loads((Path(__file__).parent / "released/1.0" / f"{kind}.json").read_text())["detail"]:
        event = copy.deepcopy(EXAMPLES[kind])
        del event["detail"][member]

        with pytest.raises(ValidationError, match=member):
            validator(kind).validate(event)


@pytest.mark.parametrize("kind", KINDS)
def test_event_with_a_new_member_stays_valid(kind: str) -> None:
    event = copy.deepcopy(EXAMPLES[kind])
    event["detail"]["added_later"] = 1

    validator(kind).validate(event)


RELEASED = sorted((Path(__file__).parent / "released").glob("*/*.json"))
"""Examples as they were released, one folder a release; nobody changes a file of it."""


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_event_of_an_earlier_release_fits_the_schema_of_today(path: Path) -> None:
    validator(path.stem).validate(json.loads(path.read_text()))


def test_every_release_has_an_example_of_each_kind_it_knew() -> None:
    assert {path.stem for path in RELEASED if path.parent.name == "1.0"} == set(KINDS)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_member_of_an_earlier_release_was_taken_away(path: Path) -> None:
    """Members may be added; what a subscriber has read once stays."""
    assert _members(json.loads(path.read_text())) <= _members(EXAMPLES[path.stem])


def _members(node: Any, place: str = "") -> set[str]:
    if isinstance(node, list):
        return {found for item in node for found in _members(item, f"{place}[]")}
    if isinstance(node, dict) and not place.endswith(".facts"):
        return {place, *(found for name, value in node.items() for found in _members(value, f"{place}.{name}"))}
    return {place}


MATCHED = {
    "anything-failed": {"upload-failed", "upload-rejected"},
    "available-in-one-region": {"image-replicated"},
    "everything-of-one-upload-key": set(KINDS),
    "permissions-missing": {"upload-rejected"},
    "production-tags": {"image-available"},
    "replication-trouble": {"image-late", "upload-failed"},
    "repository-available-everywhere": {"image-available"},
    "team-available-everywhere": set(),
}


def _heard(pattern: str, events: dict[str, Any]) -> set[str]:
    rule: Any = SimpleNamespace(state="ENABLED", event_pattern=EventPattern.load(json.dumps(PATTERNS[pattern])))
    return {kind for kind, event in events.items() if matches(rule, event)}


def test_every_pattern_is_tried() -> None:
    assert set(MATCHED) == set(PATTERNS)


@pytest.mark.parametrize("pattern", sorted(MATCHED))
def test_pattern_hears_what_it_says(pattern: str) -> None:
    check_pattern(json.dumps(PATTERNS[pattern]))

    assert _heard(pattern, dict(EXAMPLES)) == MATCHED[pattern]


def test_pattern_of_a_team_hears_its_repositories() -> None:
    event = copy.deepcopy(EXAMPLES["image-available"])
    event["detail"]["image"]["repository"] = "team/web"

    assert _heard("team-available-everywhere", {"image-available": event}) == {"image-available"}


def test_pattern_of_a_region_hears_no_other_one() -> None:
    event = copy.deepcopy(EXAMPLES["image-replicated"])
    event["detail"]["destination"]["region"] = "us-west-2"

    assert _heard("available-in-one-region", {"image-replicated": event}) == set()


NOTIFIED = {
    "s3-put": ["uploads/vendor/app/app-1.4.tar"],
    "s3-multipart": ["uploads/team/web/web+1 beta.tar"],
    "s3-two-records": ["uploads/vendor/app/app-1.4.tar", "uploads/team/web/copy-2.0.tar"],
    "s3-test-event": [],
}


@pytest.mark.parametrize("name", sorted(NOTIFIED))
def test_notification_is_read(name: str) -> None:
    found = parse_notifications(json.dumps(INBOUND[name]), DEPLOYMENT)

    assert [notification.object.key for notification in found] == NOTIFIED[name]


def test_replication_event_leads_to_the_source() -> None:
    hint = parse_hint(INBOUND["ecr-replication-action"], DEPLOYMENT)

    assert str(hint.repository.name) == "vendor/app"
    assert (hint.repository.registry.account, hint.repository.registry.region) == ("111122223333", "us-east-1")


@pytest.mark.parametrize("name", sorted(name for name in INBOUND if "-function" in name))
def test_function_event_holds_one_message_of_its_queue(name: str) -> None:
    (record,) = INBOUND[name]["Records"]

    assert record["eventSourceARN"].rpartition("-")[2] in {"uploads", "push", "publish", "confirm"}
    assert parse_message(record["body"])


def test_inbound_samples_have_ids_of_their_own() -> None:
    messages = [sample["Records"][0]["messageId"] for name, sample in INBOUND.items() if "-function" in name]

    assert len(set(messages)) == len(messages)
