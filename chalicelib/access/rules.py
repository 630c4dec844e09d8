"""
Which uploader may push what where: the operator's rules, and the decision by them. Pure.

    {"version": 1, "rules": [
      {"name": "vendor", "principals": [{"role_id": "AROAEXAMPLEROLEID0001"}], "prefix": "uploads/vendor/",
       "repositories": ["vendor/**"], "tags": ["v*"], "limits": {"bytes": 10737418240}}]}

The first rule that fits an upload as a whole (who, key, every repository, every tag) decides, and its limits hold; no
rule means no. The uploader is who S3 says it is, by the unique id of the role or user; a session's name is chosen by
its caller and plays no part. Names in an archive are candidates: a rule decides whether they may become repository or
tag. `docs/access/rules.schema.json` is the document's form; `read_rules` demands the same and a little more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct, field

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.reference import Registry, RepositoryName, Tag

ANYBODY: Final = "any"
_SCHEME: Final = "AWS:"
_ACCOUNT: Final = re.compile(r"[0-9]{12}")


class Uploader(Struct, frozen=True):
    """
    Who put an object, as S3's notification says (ecr.md 5.5): `AWS:<unique id>:<session>`, `AWS:<unique id>`.

    *unique_id* is that of the role or user, the account's number for its root user, "" where nobody is named.
    """

    unique_id: str

    @classmethod
    def read(cls, principal: str) -> Uploader:
        """Take the unique id out of a `principalId`."""
        return cls(principal.removeprefix(_SCHEME).partition(":")[0])


class Limits(Struct, frozen=True, kw_only=True):
    """
    What a rule allows at most; None is no limit of the rule's own.

    Attributes:
        bytes: Of one object.
        images: In one archive.
        bytes_a_day: Of all objects of one uploader that were accepted within 24 hours, this one included.
        uploads_at_once: Of one uploader that have not ended, this one included.
    """

    bytes: int | None = None
    images: int | None = None
    bytes_a_day: int | None = None
    uploads_at_once: int | None = None


class Rule(Struct, frozen=True, kw_only=True):
    """
    One rule.

    Attributes:
        name: Of the rule; stands in every decision by it.
        everybody: Whether it speaks of any uploader, also of one that nobody named.
        ids: The unique ids that it speaks of.
        prefix: Beginning of the keys that it speaks of; ends with a slash.
        repositories: Patterns; `*` stays within one component of a name, `**` does not.
        tags: Patterns; `*` is any run of characters.
        create_repositories: Whether a missing repository may be created, where the settings create at all.
        destinations: Registries that replication must bring the images to.
    """

    name: str
    everybody: bool = False
    ids: frozenset[str] = frozenset()
    prefix: str
    repositories: tuple[str, ...] = ("**",)
    tags: tuple[str, ...] = ("*",)
    create_repositories: bool = False
    destinations: frozenset[Registry] = frozenset()
    limits: Limits = field(default_factory=Limits)

    def speaks_of(self, uploader: Uploader, key: str) -> bool:
        """Return whether it is about *uploader* and *key*."""
        known = bool(uploader.unique_id) and uploader.unique_id in self.ids
        return (self.everybody or known) and key.startswith(self.prefix)

    def lets(self, targets: Mapping[RepositoryName, Sequence[Tag]]) -> bool:
        """Return whether every repository and every tag of *targets* fits a pattern."""
        return all(
            _fits(str(name), self.repositories) and all(_fits(str(tag), self.tags) for tag in tags)
            for name, tags in targets.items()
        )

    def lets_below(self, name: RepositoryName) -> bool:
        """Return whether a repository whose name is *name* and one component more may fit a pattern."""
        return any(_fits_below(str(name), pattern) for pattern in self.repositories)


class Rules(Struct, frozen=True):
    """All rules in their order, and the *version_id* of the document that they stand in, "" for the default."""

    rules: tuple[Rule, ...]
    version_id: str = ""


def default_rules(prefix: str) -> Rules:
    """
    Return what holds without a document: a key's path is its repository.

    Who may write a key is then the bucket policy's business alone; nobody gets out of the key's own path (`naming`).
    """
    return Rules((Rule(name="default", everybody=True, prefix=prefix, create_repositories=True),))


def candidates(rules: Rules, uploader: Uploader, key: str, size: int) -> tuple[Rule, ...]:
    """
    Return the rules that may decide, before anything of the archive is read.

    Raises:
        RefusedError: UPLOADER_DENIED; LIMIT_BYTES, where no such rule takes *size* bytes.
    """
    found = tuple(rule for rule in rules.rules if rule.speaks_of(uploader, key))
    if not found:
        raise refusal(rules, Code.UPLOADER_DENIED, "no access rule is about this uploader and this key")
    largest = max((float("inf") if rule.limits.bytes is None else rule.limits.bytes) for rule in found)
    if size > largest:
        raise refusal(rules, Code.LIMIT_BYTES, f"{size} bytes are more than {largest} allowed", found[0])
    return found


def decide(
    rules: Rules, among: Sequence[Rule], targets: Mapping[RepositoryName, Sequence[Tag]], *, size: int, images: int
) -> Rule:
    """
    Return the first rule of *among* that lets an archive go to *targets*.

    Raises:
        RefusedError: UPLOADER_DENIED; LIMIT_BYTES or LIMIT_IMAGES of the rule that decides.
    """
    rule = next((rule for rule in among if rule.lets(targets)), None)
    if rule is None:
        places = ", ".join(f"{name}:{tag}" for name, tags in targets.items() for tag in tags)
        raise refusal(rules, Code.UPLOADER_DENIED, f"no access rule lets this uploader push {places}")
    limits = rule.limits
    if limits.bytes is not None and size > limits.bytes:
        raise refusal(rules, Code.LIMIT_BYTES, f"{size} bytes are more than {limits.bytes} allowed", rule)
    if limits.images is not None and images > limits.images:
        raise refusal(rules, Code.LIMIT_IMAGES, f"{images} images are more than {limits.images} allowed", rule)
    return rule


def decide_unread(rules: Rules, among: Sequence[Rule], name: RepositoryName, *, size: int) -> Rule:
    """
    Return a rule of *among* by which an archive that nobody has read may go to *name*, else one to right below it.

    Which rule decides is known when its repositories and tags are; here only what no rule allows is refused.

    Raises:
        RefusedError: UPLOADER_DENIED, LIMIT_BYTES.
    """
    found = [rule for rule in among if rule.lets({name: ()}) or rule.lets_below(name)]
    if not found:
        raise refusal(rules, Code.UPLOADER_DENIED, f"no access rule lets this uploader push to {name} or below it")
    fitting = [rule for rule in found if rule.limits.bytes is None or size <= rule.limits.bytes]
    if not fitting:
        raise refusal(rules, Code.LIMIT_BYTES, f"{size} bytes are more than {found[0].limits.bytes} allowed", found[0])
    return next((rule for rule in fitting if rule.lets({name: ()})), fitting[0])


def demand_destinations(rules: Rules, rule: Rule, reached: Mapping[RepositoryName, frozenset[Registry]]) -> None:
    """
    Return if replication brings every repository to the destinations that *rule* demands.

    Raises:
        RefusedError: DESTINATION_REQUIRED.
    """
    for name, registries in reached.items():
        if lacking := rule.destinations - registries:
            where = ", ".join(map(str, sorted(lacking)))
            raise refusal(rules, Code.DESTINATION_REQUIRED, f"{name} is not replicated to {where}", rule)


def refusal(rules: Rules, code: Code, detail: str, rule: Rule | None = None) -> RefusedError:
    """Return the error that names what decided: the rule, and the version of the rules."""
    facts = {"rules_version": rules.version_id, **({"rule": rule.name} if rule else {})}
    return RefusedError(code, detail, facts=facts)


def is_account(text: str) -> bool:
    """Return whether *text* is an account's number."""
    return bool(_ACCOUNT.fullmatch(text))


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return any(len(_pieces(pattern)) in _places(pattern, text) for pattern in patterns)


def _fits_below(name: str, pattern: str) -> bool:
    """Return whether *pattern* fits some text that is *name*, a slash and something without one."""
    rests = (_pieces(pattern)[place:] for place in _places(pattern, f"{name}/"))
    return any(rest and "/" not in rest for rest in rests)


@lru_cache(maxsize=1024)
def _pieces(pattern: str) -> tuple[str, ...]:
    """Cut *pattern* into `**`, `*` and single characters."""
    return tuple(re.findall(r"\*\*|.", pattern, re.DOTALL))


def _places(pattern: str, text: str) -> frozenset[int]:
    """
    Return how many pieces of *pattern* can be behind us when all of *text* is.

    All ways are walked at once, so that no pattern takes longer than its length times that of *text*.
    """
    pieces = _pieces(pattern)
    places = _past_stars(pieces, {0})
    for character in text:
        stepped = set[int]()
        for place in places:
            piece = pieces[place] if place < len(pieces) else ""
            if piece == "**" or (piece == "*" and character != "/"):
                stepped.add(place)
            elif piece == character and piece != "*":
                stepped.add(place + 1)
        places = _past_stars(pieces, stepped)
    return frozenset(places)


def _past_stars(pieces: Sequence[str], places: set[int]) -> set[int]:
    """Add the places behind stars, which may stand for nothing."""
    for place in sorted(places):
        behind = place
        while behind < len(pieces) and pieces[behind] in {"*", "**"}:
            behind += 1
            places.add(behind)
    return places
