"""
May this uploader push that there? Asked when an upload is taken, and again before its images are put.

The rules are one versioned object of the bucket, read anew after `settings.rules_age` seconds; which version and which
rule decided is kept with the upload, whose record is that of one object version: another version is another upload.
Whatever goes wrong with the document refuses everybody: without rules that can be read nobody may upload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from chalicelib.access.rules import (
    Rule,
    Rules,
    Uploader,
    candidates,
    decide,
    decide_unread,
    default_rules,
    demand_destinations,
)
from chalicelib.access.rules_document import MOST_BYTES, RulesError, read_rules
from chalicelib.errors import Code, FinalError, RefusedError
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.outside import Outside
from chalicelib.ports.registry import ReplicationRule
from chalicelib.replicas.destinations import destinations
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ImageRecord
from chalicelib.state.upload import Upload

_TOLD_WITHIN: Final = 3_900.0
"""Seconds after which S3's notification was taken or is a dead letter: 5 receipts, 720 s each, and S3's minutes."""


class Admission(Struct, frozen=True):
    """The decision about one upload: the *rule* of *rules* that let *upload* go to *repositories*, at epoch *asked*."""

    upload: Upload
    rules: Rules
    rule: Rule
    repositories: tuple[RepositoryName, ...]
    asked: float

    def to_item(self) -> Mapping[str, Any]:
        """Return the decision as it is kept with the upload."""
        return {"rule": self.rule.name, "rules_version": self.rules.version_id, "asked": self.asked}

    def demand_destinations(self, outside: Outside, replication: Iterable[ReplicationRule]) -> None:
        """
        Return if *replication* brings the images wherever the rule demands.

        Raises:
            RefusedError: DESTINATION_REQUIRED.
        """
        source, known = outside.deployment.registry, tuple(replication)
        reached = {name: destinations(known, name, source) | {source} for name in self.repositories}
        demand_destinations(self.rules, self.rule, reached)


def read_current(outside: Outside) -> Rules:
    """
    Return the rules as they are, or were at most `settings.rules_age` seconds ago.

    Raises:
        RefusedError: RULES_INVALID.
        TemporaryError: S3 does not answer.
    """
    now = outside.clock.now()
    if outside.memory.rules and now - outside.memory.rules[0] < outside.settings.rules_age:
        known: Rules = outside.memory.rules[1]
        return known
    rules = _read(outside)
    outside.memory.rules = (now, rules)
    return rules


def _read(outside: Outside) -> Rules:
    settings = outside.settings
    try:
        found = outside.bucket.document(settings.rules_key, MOST_BYTES)
        if found is None:
            return default_rules(settings.prefix)
        return read_rules(found.content, found.version_id, prefix=settings.prefix)
    except RulesError as error:
        detail = f"{settings.rules_key}, version {found.version_id if found else ''}: {error}"
        raise RefusedError(Code.RULES_INVALID, detail) from error
    except FinalError as error:
        raise RefusedError(Code.RULES_INVALID, error.detail, facts=error.facts) from error


def demand_candidates(outside: Outside, upload: Upload) -> None:
    """
    Return if any rule is about the uploader, the key and the size; nothing of the archive has been read then.

    Raises:
        RefusedError: UPLOADER_DENIED, LIMIT_BYTES, RULES_INVALID.
    """
    _candidates(read_current(outside), upload)


def admit(outside: Outside, upload: Upload, images: Sequence[ImageRecord]) -> Admission:
    """
    Decide about an upload whose *images* are planned.

    Raises:
        RefusedError: UPLOADER_DENIED, LIMIT_BYTES, LIMIT_IMAGES, RULES_INVALID.
    """
    rules = read_current(outside)
    targets: dict[RepositoryName, dict[Tag, None]] = {}
    for image in images:
        targets.setdefault(image.repository, {}).update(dict.fromkeys(image.tags))
    wanted = {name: tuple(tags) for name, tags in targets.items()}
    roots = sum(image.root for image in images)
    rule = decide(rules, _candidates(rules, upload), wanted, size=upload.object.size, images=roots)
    return Admission(upload, rules, rule, tuple(wanted), outside.clock.now())


def admit_unread(outside: Outside, upload: Upload, name: RepositoryName) -> Admission:
    """
    Decide whether an upload that nobody has read may be opened: to go to *name*, which its key names, or right below.

    The admission's repositories are *name*, or none where only those below it are let.

    Raises:
        RefusedError: UPLOADER_DENIED, LIMIT_BYTES, RULES_INVALID.
    """
    rules = read_current(outside)
    rule = decide_unread(rules, _candidates(rules, upload), name, size=upload.object.size)
    within = (name,) if rule.lets({name: ()}) else ()
    return Admission(upload, rules, rule, within, outside.clock.now())


def _candidates(rules: Rules, upload: Upload) -> tuple[Rule, ...]:
    return candidates(rules, Uploader.read(upload.principal), upload.object.key, upload.object.size)


def may_be_named_yet(outside: Outside, upload: Upload) -> bool:
    """
    Tell whether it may still become known who brought an *upload* that the sweep has found without a notification.

    The notification may be about to come, or to come again after a function that died: until that is over nobody is
    denied for not being named.
    """
    if upload.principal or Ledger(outside).load(upload.id):
        return False
    latest = outside.bucket.latest(upload.object.key)
    age = outside.clock.now() - latest.modified if latest and latest.object == upload.object else _TOLD_WITHIN
    return age < _TOLD_WITHIN
