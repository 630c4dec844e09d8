"""
An upload, as it is kept in the table.

    received ─▶ accepted ─▶ pushing ─▶ publishing ─▶ confirming ─▶ available
        └─▶ rejected    └─────────┴──────────┴────────────┴─▶ failed | superseded

Most are written down as accepted, with their plan at once; received is one that is to be refused, or whose plan does
not fit into one transaction. An archive that is compressed as a whole goes this way twice as far as `pushing`: `push`
opens it and gives it back, received, for `receive` to plan.

One collection per upload: `upload`, `image#<n>`, `layer#<repository>@<digest or diff_id>`, `replica#…` (these three:
`records`), `outbox#…` (`notify`), `lease#…` (`ledger`).
Every item carries the version `v` of its shape; old shapes stay readable.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, field
from msgspec.structs import asdict

from chalicelib.oci.reference import is_component
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.table import Item, Key
from chalicelib.replacing import replace

SHAPE: Final = 1


class State(StrEnum):
    """Where an upload stands."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    PUSHING = "pushing"
    PUBLISHING = "publishing"
    CONFIRMING = "confirming"
    AVAILABLE = "available"
    REJECTED = "rejected"
    FAILED = "failed"
    SUPERSEDED = "superseded"

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in _TERMINAL


_TERMINAL: Final = frozenset({State.AVAILABLE, State.REJECTED, State.FAILED, State.SUPERSEDED})


NOBODY: Final = "_"
"""The tenant of a key from which none follows; no component of a repository's name is this."""


def upload_id(version: ObjectVersion, prefix: str) -> str:
    """
    Return the id of the upload that *version* begins: `<tenant>.<26 characters>`, the same for every notification.

    It is one token, which nothing takes apart: whatever has the id has the tenant (docs/decisions/0014).
    """
    return f"{tenant(version.key, prefix)}.{former_id(version)}"


def former_id(version: ObjectVersion) -> str:
    """Return the id that the upload had before a tenant was part of it: base32 of a hash; one begun then keeps it."""
    name = f"{version.bucket}\0{version.key}\0{version.version_id}".encode()
    return base64.b32encode(hashlib.sha256(name).digest()).decode()[:26].lower()


def tenant(key: str, prefix: str) -> str:
    """
    Return whose a key is: the first component of its repository path, `NOBODY` if ECR allows no such component.

    Repositories, and with them everything that is kept under their names, begin with it (docs/decisions/0014). It goes
    into ids, groups of messages, logs and commands, so no text that was not looked at may be one.
    """
    name, slash, _ = key.removeprefix(prefix).partition("/")
    return name if slash and is_component(name) else NOBODY


class Opening(Struct, frozen=True):
    """
    How far a sealed archive is, one that is compressed as a whole.

    Attributes:
        compression: `gzip`, `zstd`, `xz` or `bzip2`.
        done: Whether `push` has read it to its end; what it found then stands in the table.
        stores: Whether layers may be stored in the key's repository while they pass.
    """

    compression: str
    done: bool = False
    stores: bool = True


class Upload(Struct, frozen=True, kw_only=True):
    """
    One version of one object, on its way.

    Attributes:
        id: See `upload_id`; of an upload that was begun before, `former_id`.
        object: What was uploaded.
        principal: Who uploaded it, as S3 says (`AWS:<role id>:<session>`).
        sequencer: S3's order of events of one key.
        received: Epoch seconds of the first notification seen.
        state: See the module.
        accepted: Epoch seconds of the acceptance.
        rank: Orders claims on a tag: the acceptance, unless a later version of the object was accepted before; see
            `order`.
        published: Epoch seconds of the last PutImage; the deadline of confirmation counts from it.
        ended: Epoch seconds of the terminal state.
        attempt: 1, and one more with each retry.
        late: Whether Image Late was announced.
        returns: How often `publish` found stored layers gone and sent them back to `push`.
        put_begun: Whether an image of it may have been put, in any attempt; noted before the first PutImage.
        polls: How often the destinations were looked at, all of them.
        looks: The number of the next look, which the message that asks for it carries; see `confirm`.
        bookmark: Where the last look ran out of time, "" where it did not; see `replicas.course`.
        code, detail, facts: Why it ended, if it was rejected or failed.
        warnings: What the producer should know although it went well.
        kind: The archive's kind; "" until a sealed one was opened.
        found: Manifests and indexes that the archive names.
        pushed: Manifests and indexes that are to be put.
        opening: How far a sealed archive is; None for a plain one.
        provenance: The `.prov` that goes with a chart, None without.
        preflight: What was asked about our roles, and the answer.
        access: Which access rule let the uploader push there, and in which version of the rules.
        tenant: See `tenant`.
        tally: Counters of work done, by name.
        heal: What was done to bring missing replicas, "" for nothing: a way of `healing`.
    """

    id: str
    object: ObjectVersion
    principal: str = ""
    sequencer: str = ""
    received: float = 0.0
    state: State = State.RECEIVED
    accepted: float = 0.0
    rank: float = 0.0
    published: float = 0.0
    ended: float = 0.0
    attempt: int = 1
    late: bool = False
    returns: int = 0
    put_begun: bool = False
    polls: int = 0
    looks: int = 0
    bookmark: str = ""
    code: str = ""
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    kind: str = ""
    found: int = 0
    pushed: int = 0
    opening: Opening | None = None
    provenance: ObjectVersion | None = None
    preflight: Mapping[str, Any] = field(default_factory=dict)
    access: Mapping[str, Any] = field(default_factory=dict)
    tenant: str = ""
    tally: Mapping[str, float] = field(default_factory=dict)
    heal: str = ""

    @classmethod
    def new(
        cls,
        version: ObjectVersion,
        principal: str,
        sequencer: str,
        now: float,
        *,
        prefix: str,
        provenance: ObjectVersion | None = None,
        known_as: str = "",
    ) -> Self:
        """
        Return the upload of an object version that is seen for the first time.

        *prefix* is that of all uploads; *provenance* is the `.prov` that begins it, where the object is a chart that
        was there before; *known_as* is the id by which a message of our own speaks of it, "" in one of S3's.
        """
        begins = provenance or version
        return cls(
            id=known_as if known_as == former_id(begins) else upload_id(begins, prefix),
            object=version,
            principal=principal,
            sequencer=sequencer,
            received=now,
            tenant=tenant(version.key, prefix),
            provenance=provenance,
        )

    @property
    def told(self) -> ObjectVersion:
        """The object version whose notification began it: its own, or that of the `.prov` that came later."""
        began = self.provenance is not None and self.id.endswith(former_id(self.provenance))
        return self.provenance if self.provenance and began else self.object

    def whose(self, prefix: str) -> str:
        """Return its tenant, also of one that was begun when records lacked it; *prefix* is that of all uploads."""
        return self.tenant or tenant(self.object.key, prefix)

    @property
    def key(self) -> Key:
        """Its place in the table."""
        return Key(collection(self.id), "upload")

    def with_tally(self, counts: Mapping[str, float]) -> Self:
        """Return the upload with *counts* added to its own."""
        names = {*self.tally, *counts}
        return replace(self, tally={name: self.tally.get(name, 0) + counts.get(name, 0) for name in sorted(names)})

    def to_item(self) -> Item:
        """Return what is stored."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            "v": SHAPE,
            **plain,
            "state": self.state.value,
            "warnings": list(self.warnings),
            "opening": asdict(self.opening) if self.opening else None,
            "object": asdict(self.object),
            "provenance": asdict(self.provenance) if self.provenance else None,
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read what was stored."""
        return cls(
            **{name: item[name] for name in _PLAIN if name in item},
            state=State(item["state"]),
            warnings=tuple(item.get("warnings", ())),
            opening=Opening(**item["opening"]) if item.get("opening") else None,
            object=ObjectVersion(**item["object"]),
            provenance=ObjectVersion(**item["provenance"]) if item.get("provenance") else None,
        )


_PLAIN: Final = (
    "id",
    "principal",
    "sequencer",
    "received",
    "accepted",
    "rank",
    "published",
    "ended",
    "attempt",
    "late",
    "returns",
    "put_begun",
    "polls",
    "looks",
    "bookmark",
    "code",
    "detail",
    "facts",
    "kind",
    "found",
    "pushed",
    "preflight",
    "access",
    "tenant",
    "tally",
    "heal",
)


def collection(upload: str) -> str:
    """Return the collection of an upload's items."""
    return f"upload#{upload}"
