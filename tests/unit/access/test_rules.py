"""Access rules: who may push what where, in situations and as properties."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chalicelib.access.rules import Rule, Rules, Uploader, candidates, decide, default_rules, demand_destinations
from chalicelib.access.rules_document import RulesError, read_rules
from chalicelib.archive.contents import ArchiveImage, Blob, GeneratedManifest
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.planning.naming import place, tags_by_repository, targets
from chalicelib.replacing import replace

FOLDER = Path(__file__).parents[3] / "docs" / "access"
EXAMPLE: dict[str, Any] = json.loads((FOLDER / "rules.json").read_text())
SCHEMA = Draft202012Validator(json.loads((FOLDER / "rules.schema.json").read_text()))
RELEASE = "AWS:AROAEXAMPLEROLEID0001:ci-4711"
TEAM = "AWS:AROAEXAMPLEROLEID0002:somebody"
STRANGER = "AWS:AROASTRANGER:ci-4711"
GIB = 1 << 30


def read(document: Any = EXAMPLE) -> Rules:
    return read_rules(json.dumps(document).encode(), "v1", prefix="uploads/")


@dataclass(frozen=True, kw_only=True)
class Try:
    """An upload, and which rule lets it go or which code refuses it."""

    expected: str | Code
    who: str = RELEASE
    key: str = "uploads/vendor/app/app.tar"
    places: dict[str, list[str]] = field(default_factory=lambda: {"vendor/app": ["v1"]})
    size: int = 1000
    images: int = 1


SITUATIONS = {
    "the role": Try(expected="vendor"),
    "the role in another session": Try(who="AWS:AROAEXAMPLEROLEID0001:x", expected="vendor"),
    "the role without a session": Try(who="AWS:AROAEXAMPLEROLEID0001", expected="vendor"),
    "the id alone": Try(who="AROAEXAMPLEROLEID0001", expected="vendor"),
    "a user": Try(who="AWS:AIDAEXAMPLEUSERID0001", expected="vendor"),
    "a stranger": Try(who=STRANGER, expected=Code.UPLOADER_DENIED),
    "a session named after the role's id": Try(
        who="AWS:AROASTRANGER:AROAEXAMPLEROLEID0001", expected=Code.UPLOADER_DENIED
    ),
    "an id that begins alike": Try(who="AWS:AROAEXAMPLEROLEID00012:x", expected=Code.UPLOADER_DENIED),
    "an id that is the beginning": Try(who="AWS:AROAEXAMPLEROLEID000:x", expected=Code.UPLOADER_DENIED),
    "an id in another case": Try(who="AWS:aroaexampleroleid0001:x", expected=Code.UPLOADER_DENIED),
    "nobody": Try(who="", expected=Code.UPLOADER_DENIED),
    "a nameless principal": Try(who="AWS::x", expected=Code.UPLOADER_DENIED),
    "another's prefix": Try(key="uploads/team/app/app.tar", expected=Code.UPLOADER_DENIED),
    "a prefix that begins alike": Try(key="uploads/vendor-2/app/a.tar", expected=Code.UPLOADER_DENIED),
    "a prefix in another case": Try(key="uploads/Vendor/app/a.tar", expected=Code.UPLOADER_DENIED),
    "outside of all prefixes": Try(key="elsewhere/vendor/app/a.tar", expected=Code.UPLOADER_DENIED),
    "another's repository": Try(places={"team/app": ["v1"]}, expected=Code.UPLOADER_DENIED),
    "a repository one level deeper": Try(places={"vendor/app/part": ["v1"]}, expected=Code.UPLOADER_DENIED),
    "a repository that begins alike": Try(places={"vendor-2/app": ["v1"]}, expected=Code.UPLOADER_DENIED),
    "one repository of two": Try(places={"vendor/app": ["v1"], "team/a": ["v1"]}, expected=Code.UPLOADER_DENIED),
    "two repositories": Try(places={"vendor/app": ["v1"], "vendor/b": ["prod-1"]}, images=2, expected="vendor"),
    "another tag": Try(places={"vendor/app": ["latest"]}, expected=Code.UPLOADER_DENIED),
    "one tag of two": Try(places={"vendor/app": ["v1", "latest"]}, expected=Code.UPLOADER_DENIED),
    "two tags": Try(places={"vendor/app": ["v1", "prod-2"]}, expected="vendor"),
    "a pattern's dot is a dot": Try(places={"vendor/app": ["xv1"]}, expected=Code.UPLOADER_DENIED),
    "a child of an index, untagged": Try(places={"vendor/app": []}, expected="vendor"),
    "as large as allowed": Try(size=10 * GIB, expected="vendor"),
    "a byte too large": Try(size=10 * GIB + 1, expected=Code.LIMIT_BYTES),
    "as many images as allowed": Try(images=4, expected="vendor"),
    "an image too many": Try(images=5, expected=Code.LIMIT_IMAGES),
    "a role of the account": Try(
        who=TEAM, key="uploads/team/a/a.tar", places={"team/a": ["x"]}, expected="own-account"
    ),
    "the account's root user": Try(
        who="AWS:111122223333", key="uploads/team/a/a.tar", places={"team/a": ["x"]}, expected="own-account"
    ),
    "another account's root user": Try(
        who="AWS:444455556666", key="uploads/team/a/a.tar", places={"team/a": ["x"]}, expected=Code.UPLOADER_DENIED
    ),
    "no limit at all": Try(
        who=TEAM,
        key="uploads/team/a/a.tar",
        places={"team/a": ["x"]},
        size=500 * GIB,
        images=99,
        expected="own-account",
    ),
    "anybody": Try(who=STRANGER, key="uploads/sandbox/a/a.tar", places={"sandbox/a/b": ["x"]}, expected="sandbox"),
    "anybody whom nobody named": Try(
        who="", key="uploads/sandbox/a/a.tar", places={"sandbox/a": ["x"]}, expected="sandbox"
    ),
    "anybody with too much": Try(
        who="", key="uploads/sandbox/a/a.tar", places={"sandbox/a": ["x"]}, size=2 * GIB, expected=Code.LIMIT_BYTES
    ),
}


def outcome(rules: Rules, tried: Try) -> str | Code:
    places = {RepositoryName(name): [Tag(tag) for tag in tags] for name, tags in tried.places.items()}
    try:
        among = candidates(rules, Uploader.read(tried.who), tried.key, tried.size)
        return decide(rules, among, places, size=tried.size, images=tried.images).name
    except RefusedError as refused:
        return refused.code if refused.facts["rules_version"] == "v1" else "of other rules"


@pytest.mark.parametrize("tried", SITUATIONS.values(), ids=SITUATIONS)
def test_decides(tried: Try) -> None:
    assert outcome(read(), tried) == tried.expected


def test_there_are_enough_situations() -> None:
    assert len(SITUATIONS) >= 30


BELOW = {
    ("team/app/*", "team/app"): True,
    ("team/**", "team/app"): True,
    ("**", "team/app"): True,
    ("*/app/w*", "team/app"): True,
    ("team/*/web", "team/app"): True,
    ("team/**/web", "team/app"): True,
    ("team/app/web", "team/app"): True,
    ("te**web", "team/app"): True,
    ("team/app", "team/app"): False,
    ("team/app*", "team/app"): False,
    ("team/*", "team/app"): False,
    ("team/app/", "team/app"): False,
    ("team/app/*/web", "team/app"): False,
    ("team/app/**/web", "team/app"): False,
    ("team/a/*", "team/app"): False,
    ("*", "team/app"): False,
}


@pytest.mark.parametrize(("pattern", "name", "may"), [(*case, may) for case, may in BELOW.items()])
def test_whether_a_pattern_may_fit_right_below_a_repository(pattern: str, name: str, may: bool) -> None:
    rule = Rule(name="x", prefix="uploads/", repositories=(pattern,))

    assert rule.lets_below(RepositoryName(name)) is may


def test_a_pattern_may_fit_below_exactly_if_it_fits_something_there() -> None:
    """Compared with trying all short components, for all patterns of up to three pieces."""
    components = ["".join(text) for size in (1, 2, 3) for text in itertools.product("ab", repeat=size)]
    for size in (1, 2, 3):
        for pieces in itertools.product(("*", "**", "a", "b", "/", "ab/"), repeat=size):
            rule = Rule(name="x", prefix="uploads/", repositories=("".join(pieces),))
            for name in ("ab", "ab/a"):
                tried = any(rule.lets({RepositoryName(f"{name}/{component}"): ()}) for component in components)
                assert rule.lets_below(RepositoryName(name)) is tried, (pieces, name)


def test_no_pattern_takes_long() -> None:
    rule = Rule(name="x", prefix="uploads/", repositories=("**a*" * 40 + "b",))

    assert not rule.lets({RepositoryName("a" * 256): ()})
    assert rule.lets({RepositoryName("a" * 255 + "b"): ()})


def test_the_first_rule_that_fits_decides_and_its_limits_hold() -> None:
    document = copy.deepcopy(EXAMPLE)
    first = {**document["rules"][0], "name": "first", "limits": {"bytes": 10}}
    document["rules"].insert(0, first)

    assert outcome(read(document), Try(expected="first", size=10)) == "first"
    assert outcome(read(document), Try(expected="first", size=11)) is Code.LIMIT_BYTES


def test_a_rule_that_does_not_fit_the_tags_leaves_the_decision_to_the_next() -> None:
    document = copy.deepcopy(EXAMPLE)
    document["rules"].append({**document["rules"][0], "name": "last", "tags": ["latest"]})

    assert outcome(read(document), Try(expected="last", places={"vendor/app": ["latest"]})) == "last"


@pytest.mark.parametrize(
    ("reached", "allowed"),
    [({"444455556666/eu-central-1"}, True), ({"444455556666/eu-west-1"}, False), (set(), False)],
    ids=["there", "elsewhere", "nowhere"],
)
def test_a_demanded_destination_must_be_reached(reached: set[str], allowed: bool) -> None:
    rules = read()
    registries = frozenset(Registry.parse(text) for text in reached)
    if allowed:
        demand_destinations(rules, rules.rules[0], {RepositoryName("vendor/app"): registries})
        return
    with pytest.raises(RefusedError) as refused:
        demand_destinations(rules, rules.rules[0], {RepositoryName("vendor/app"): registries})
    assert refused.value.code is Code.DESTINATION_REQUIRED


def test_without_a_document_anybody_who_could_write_the_key_may_push_to_its_path() -> None:
    rules = replace(default_rules("uploads/"), version_id="v1")

    assert outcome(rules, Try(who="", expected="default")) == "default"
    assert outcome(rules, Try(key="elsewhere/vendor/app/app.tar", expected="")) is Code.UPLOADER_DENIED


WRONG: dict[str, dict[str, Any]] = {
    "limits.bites": {"limits": {"bites": 1}},
    "limits.bytes": {"limits": {"bytes": 0}},
    "limits.images": {"limits": {"images": True}},
    "nobody knows tag": {"tag": ["v*"]},
    "prefix": {"prefix": "uploads/vendor"},
    "prefix: must begin": {"prefix": "elsewhere/"},
    "principals: must be a list": {"principals": []},
    "principals[0]": {"principals": ["everybody"]},
    "transship rules put": {"principals": [{"role_arn": "arn:aws:iam::444455556666:role/x"}]},
    "no unique id": {"principals": [{"role_id": "AROA*"}]},
    "12 digits": {"principals": [{"account": "1"}]},
    "one of a role, a user and an account": {"principals": [{"role_id": "AROA1", "account": "111122223333"}]},
    "one of a role": {"principals": [{"role_id": "AROA1", "user_id": "AIDA1"}]},
    "one of": {"principals": [{"user_id": "AIDA1", "role_arn": "arn:aws:iam::111122223333:role/x"}]},
    "role_arn": {"principals": [{"role_id": "AROA1", "role_arn": 1}]},
    "ids": {"principals": [{"account": "111122223333", "ids": "AROA1"}]},
    "destinations: must be a list": {"destinations": 1},
    "destinations": {"destinations": None},
    "repositories": {"repositories": "vendor/*"},
    "tags": {"tags": []},
    "account/region": {"destinations": ["eu-central-1"]},
    "true or false": {"create_repositories": "yes"},
    "signature": {"signature": "cosign"},
    "name": {"name": ""},
}


@pytest.mark.parametrize(("mentions", "change"), WRONG.items(), ids=WRONG)
def test_a_document_that_is_none_is_refused_at_its_place(mentions: str, change: dict[str, Any]) -> None:
    document = copy.deepcopy(EXAMPLE)
    document["rules"][0] |= change

    with pytest.raises(RulesError) as refused:
        read(document)
    place, _, word = mentions.partition(".")
    assert place in str(refused.value)
    assert word in str(refused.value)
    # The schema says the same, but for what only the deployment's own prefix tells.
    assert SCHEMA.is_valid(document) is (mentions == "prefix: must begin")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"version":1,"version":1,"rules":[]}', b'{"version":2,"rules":[]}']
)
def test_what_is_no_document_at_all_is_refused(text: bytes) -> None:
    with pytest.raises(RulesError):
        read_rules(text)


def test_two_rules_of_one_name_are_refused() -> None:
    document = copy.deepcopy(EXAMPLE)
    document["rules"][1]["name"] = "vendor"

    with pytest.raises(RulesError, match="one name"):
        read(document)


def test_the_example_fits_the_schema_and_is_read() -> None:
    SCHEMA.validate(EXAMPLE)

    assert [rule.name for rule in read().rules] == ["vendor", "own-account", "sandbox"]


# --- properties -----------------------------------------------------------------------------------------------------

COMPONENT = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)
PATHS = st.lists(COMPONENT, min_size=1, max_size=4).map("/".join).filter(lambda path: len(path) > 1)
FILES = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=8)
KEYS = st.one_of(
    st.builds(lambda path, name: f"uploads/{path}/{name}", PATHS, FILES),
    st.text(st.sampled_from("aA/.%2f\u212a\u00e9- "), max_size=12).map(lambda text: f"uploads/{text}"),
)
NAMES = st.one_of(
    st.builds(lambda path, tag: f"{path}:{tag}", PATHS, COMPONENT),
    st.text(max_size=20),
    st.sampled_from(["../other/x:1", "other/../x", "/etc/x:1", "host:5000/other/tenant:1", "x%2f..%2fother:1", ":1"]),
)
CONFIG = Blob(descriptor=Descriptor(media_type="x", digest=Digest.of(b"c"), size=1), content=ByteRange(0, 1))


def _placed(key: str) -> tuple[RepositoryName, str] | None:
    try:
        found = place(key, "uploads/")
    except RefusedError:
        return None
    return found.repository, found.file_name


@given(KEYS, KEYS)
def test_two_keys_never_meet_at_one_repository_and_file(first: str, second: str) -> None:
    if first != second and _placed(first) is not None:
        assert _placed(first) != _placed(second)


@given(PATHS, FILES, st.lists(st.lists(NAMES, max_size=3), min_size=1, max_size=3))
def test_nothing_that_an_archive_says_leaves_the_path_of_its_key(path: str, file: str, names: list[list[str]]) -> None:
    images = [ArchiveImage(manifest=GeneratedManifest(config=CONFIG, layers=()), names=tuple(own)) for own in names]
    try:
        found = tags_by_repository(targets(place(f"uploads/{path}/{file}", "uploads/"), images))
    except RefusedError:
        return

    assert all(name.text == path or name.text.startswith(f"{path}/") for name in found)


@given(PATHS, PATHS, FILES)
def test_a_rule_of_one_tenant_never_lets_another_tenants_repository(own: str, other: str, file: str) -> None:
    rule = Rule(name="r", everybody=True, prefix=f"uploads/{own}/", repositories=(own, f"{own}/**"))
    rules = Rules((rule,), "v1")
    tried = Try(expected="", who="", key=f"uploads/{own}/{file}", places={other: ["x"]})

    within = other == own or other.startswith(f"{own}/")
    assert outcome(rules, tried) == ("r" if within else Code.UPLOADER_DENIED)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6),
    st.sampled_from(["any", "uploads/a/", "AROA1", "111122223333", "111122223333/eu-west-1", "none", "**"]),
)  # fmt: skip
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
OPTIONAL = {
    "role_id": ANYTHING, "role_arn": ANYTHING, "user_id": ANYTHING, "account": ANYTHING, "ids": ANYTHING,
}  # fmt: skip
PRINCIPALS = st.lists(ANYTHING | st.fixed_dictionaries({}, optional=OPTIONAL), max_size=3)
RULES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["r", "s", ""]) | ANYTHING,
        "principals": st.just(["any"]) | PRINCIPALS | ANYTHING,
        "prefix": st.just("uploads/a/") | ANYTHING,
    },
    optional={
        "repositories": ANYTHING,
        "tags": ANYTHING,
        "create_repositories": ANYTHING,
        "destinations": ANYTHING,
        "limits": ANYTHING | st.fixed_dictionaries({}, optional={"bytes": ANYTHING, "images": ANYTHING}),
        "signature": ANYTHING,
    },
)
DOCUMENTS = ANYTHING | st.fixed_dictionaries(
    {"version": st.just(1) | ANYTHING, "rules": st.lists(RULES, max_size=2) | ANYTHING}, optional={"$schema": ANYTHING}
)


@given(DOCUMENTS)
def test_what_is_read_fits_the_schema_and_everything_else_is_refused(document: Any) -> None:
    try:
        read(document)
    except RulesError:
        return
    SCHEMA.validate(document)


@given(st.text(max_size=30))
def test_only_the_id_identifies_whatever_the_session_is_called(session: str) -> None:
    assert Uploader.read(f"AWS:AROAEXAMPLEROLEID0001:{session}") == Uploader("AROAEXAMPLEROLEID0001")
