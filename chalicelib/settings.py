"""
Every knob of the pipeline, read once from the environment of the function.

Each field of `Settings` names its variable, its unit, its default and its bounds; README's table is made of them, and
a value outside its bounds stops the function at its start, not in the middle of a push.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from msgspec import Struct, field

MIB: Final = 1 << 20


class Knob(Struct, frozen=True):
    """How a setting is read: its *default*, the *variable*, what it does, its *unit*, and its bounds or choices."""

    default: Any
    variable: str
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


class SettingsError(ValueError):
    """A variable holds what its setting cannot be."""


KNOBS: Final[dict[str, Knob]] = {}
"""Every knob by its variable, in the order of README's table; the fields of `Settings` fill it."""


class Reader(Struct, frozen=True):
    """A role to assume in another account, and the external id that its trust policy asks for."""

    role_arn: str
    external_id: str


def _knob(default: Any, variable: str, meaning: str, **bounds: Any) -> Any:
    KNOBS[variable] = Knob(default, variable, meaning, **bounds)
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), name=variable)
    return field(default=default, name=variable)


class Settings(Struct, frozen=True, kw_only=True):
    """
    The settings of one deployment.

    Raises:
        SettingsError: When read from an environment that holds an impossible value.
    """

    stage: str = _knob("dev", "TRANSSHIP_STAGE", "Names everything of this deployment: `transship-<stage>…`.")
    prefix: str = _knob("uploads/", "TRANSSHIP_PREFIX", "Only keys that start with it are uploads.")

    create_repositories: bool = _knob(False, "TRANSSHIP_CREATE_REPOSITORIES", "Create a repository that is missing.")
    repository_mutability: str = _knob(
        "IMMUTABLE",
        "TRANSSHIP_REPOSITORY_MUTABILITY",
        "Tag mutability of what is created.",
        choices=("MUTABLE", "IMMUTABLE"),
    )
    repository_scan: bool = _knob(True, "TRANSSHIP_REPOSITORY_SCAN", "Scan on push in what is created.")
    repository_kms_key: str = _knob(
        "", "TRANSSHIP_REPOSITORY_KMS_KEY", "KMS key that encrypts what is created; empty: AES256."
    )
    repository_tags: Mapping[str, str] = _knob(
        {}, "TRANSSHIP_REPOSITORY_TAGS", "Resource tags of what is created, a JSON object."
    )

    compression: str = _knob(
        "gzip",
        "TRANSSHIP_COMPRESSION",
        "How uncompressed layers are compressed.",
        choices=("gzip", "zstd", "none"),
    )
    compression_level: int = _knob(1, "TRANSSHIP_COMPRESSION_LEVEL", "Level of gzip (ISA-L) or zstd.", low=0, high=19)
    platforms: tuple[str, ...] = _knob(
        (),
        "TRANSSHIP_PLATFORMS",
        "Of an index, the platforms that are pushed: `os/architecture` or with `/variant`, by commas; empty: all.",
    )
    attestations: bool = _knob(
        True,
        "TRANSSHIP_ATTESTATIONS",
        "Push BuildKit's attestations; without them an index of one image is that image, as AWS Lambda needs it.",
    )
    foreign_layers: bool = _knob(
        False, "TRANSSHIP_FOREIGN_LAYERS", "Take images whose foreign layers the archive lacks."
    )
    encrypted_layers: bool = _knob(True, "TRANSSHIP_ENCRYPTED_LAYERS", "Take encrypted layers, as they are.")
    platform_tags: Mapping[str, str] = _knob(
        {},
        "TRANSSHIP_PLATFORM_TAGS",
        'More tags for images of an index: {"linux/amd64": "-amd64"} tags that one `1.4-amd64` beside the index `1.4`.',
    )
    tag_source: str = _knob(
        "archive",
        "TRANSSHIP_TAG_SOURCE",
        "Where tags come from: the archive and, without, the file's name; the file's name (`key`); "
        "the object's metadata `tag` and, without, the archive. A chart's tag is its version.",
        choices=("archive", "key", "metadata"),
    )
    chart_provenance: str = _knob(
        "optional",
        "TRANSSHIP_CHART_PROVENANCE",
        "Whether a chart must have its `.prov` beside it.",
        choices=("optional", "required"),
    )
    layers_at_once: int = _knob(
        3, "TRANSSHIP_LAYERS_AT_ONCE", "Layers that one function pushes in parallel.", unit="layers", low=1, high=16
    )
    bundle_bytes: int = _knob(
        1024 * MIB,
        "TRANSSHIP_BUNDLE_BYTES",
        "Layer bytes of one push message; larger images spread over several functions.",
        unit="bytes",
        low=16 * MIB,
        high=52_000 * MIB,
    )
    time_margin: float = _knob(
        30.0,
        "TRANSSHIP_TIME_MARGIN",
        "A push stops so long before its function's time ends and goes on in the next invocation.",
        unit="seconds",
        low=5,
        high=300,
    )
    lease: float = _knob(
        20.0,
        "TRANSSHIP_LEASE",
        "A message whose function was killed comes back after so long; renewed at a third of it.",
        unit="seconds",
        low=3,
        high=600,
    )

    rules_key: str = _knob(
        "access/rules.json",
        "TRANSSHIP_RULES_KEY",
        "The bucket's object with the access rules, below `access/`; absent: a key's path is its repository.",
    )
    rules_age: float = _knob(
        60.0,
        "TRANSSHIP_RULES_AGE",
        "Access rules are read anew after so long.",
        unit="seconds",
        low=0,
        high=3_600,
    )
    preflight: str = _knob(
        "enforce",
        "TRANSSHIP_PREFLIGHT",
        "What our roles may is simulated, only probed by calls without effect, or not asked.",
        choices=("enforce", "probe", "off"),
    )
    preflight_context: Mapping[str, str] = _knob(
        {},
        "TRANSSHIP_PREFLIGHT_CONTEXT",
        "Condition keys that your policies ask for and the simulator does not know, a JSON object.",
    )
    preflight_age: float = _knob(
        300.0,
        "TRANSSHIP_PREFLIGHT_AGE",
        "A verdict on our roles is good for so long.",
        unit="seconds",
        low=0,
        high=3_600,
    )
    preflight_again: float = _knob(
        15.0,
        "TRANSSHIP_PREFLIGHT_AGAIN",
        "A denial is asked once more after so long: IAM is eventually consistent.",
        unit="seconds",
        low=0,
        high=60,
    )
    confirm_first: float = _knob(
        5.0, "TRANSSHIP_CONFIRM_FIRST", "First look at the destinations.", unit="seconds", low=0, high=900
    )
    confirm_most: float = _knob(
        300.0, "TRANSSHIP_CONFIRM_MOST", "Longest wait between looks.", unit="seconds", low=1, high=900
    )
    confirm_late: float = _knob(
        1_800.0, "TRANSSHIP_CONFIRM_LATE", "Image Late is announced after so long.", unit="seconds", low=1, high=86_400
    )
    confirm_deadline: float = _knob(
        7_200.0,
        "TRANSSHIP_CONFIRM_DEADLINE",
        "A destination without the image after so long has failed.",
        unit="seconds",
        low=1,
        high=604_800,
    )
    reported_suffices: bool = _knob(
        False,
        "TRANSSHIP_REPORTED_SUFFICES",
        "ECR's COMPLETE is enough where a destination grants no read-back.",
    )
    scan_severity: str = _knob(
        "off",
        "TRANSSHIP_SCAN_SEVERITY",
        "Image Available waits for ECR's scan; findings so severe or worse are a failure.",
        choices=("off", "CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"),
    )
    heal: str = _knob(
        "off",
        "TRANSSHIP_HEAL",
        "What is done by itself about an image that does not arrive: put it under a tag of its own once, or nothing.",
        choices=("off", "retag"),
    )
    receipts: bool = _knob(
        False,
        "TRANSSHIP_RECEIPTS",
        "Write a JSON document for the producer below `receipts/` at acceptance and at the end.",
    )
    readers: Mapping[str, Reader] = _knob(
        {},
        "TRANSSHIP_READERS",
        'Read-back roles of other accounts: {"<account>": {"role_arn": …, "external_id": …}}.',
    )
    healers: Mapping[str, Reader] = _knob(
        {},
        "TRANSSHIP_HEALERS",
        'Roles that `transship heal` pushes with in other accounts: {"<account>": {"role_arn": …, "external_id": …}}.',
    )
    target_account: str = _knob(
        "", "TRANSSHIP_TARGET_ACCOUNT", "Account of the registry that is pushed to; empty: our own."
    )
    writers: Mapping[str, Reader] = _knob(
        {},
        "TRANSSHIP_WRITERS",
        'Roles that push into other accounts: {"<account>": {"role_arn": …, "external_id": …}}.',
    )
    bucket_kms_key: str = _knob(
        "", "TRANSSHIP_BUCKET_KMS_KEY", "ARN of the KMS key that encrypts the bucket; empty: S3's own keys."
    )
    upload_deadline: float = _knob(
        86_400.0,
        "TRANSSHIP_UPLOAD_DEADLINE",
        "An upload that has not ended so long after its notification is closed.",
        unit="seconds",
        low=600,
        high=1_209_600,
    )
    keep_days: float = _knob(
        90.0, "TRANSSHIP_KEEP_DAYS", "Records of ended uploads are kept so long.", unit="days", low=1, high=3_650
    )
    audit_days: float = _knob(
        730.0,
        "TRANSSHIP_AUDIT_DAYS",
        "What was brought where, by whom and when is kept so long for `transship export`.",
        unit="days",
        low=1,
        high=3_650,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; variables that are absent or empty leave the default."""
        variables = zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True)
        values = {
            name: _parse(KNOBS[variable], cls.__annotations__[name], environment[variable])
            for name, variable in variables
            if environment.get(variable)
        }
        return cls(**values)


def _parse(knob: Knob, kind: str, text: str) -> Any:
    try:
        value = _PARSERS[kind](text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingsError(f"{knob.variable}={text!r} is not a {kind}") from error
    if knob.choices and value not in knob.choices:
        raise SettingsError(f"{knob.variable}={text!r} is none of {', '.join(knob.choices)}")
    if (knob.low is not None and value < knob.low) or (knob.high is not None and value > knob.high):
        raise SettingsError(f"{knob.variable}={text!r} is not between {knob.low} and {knob.high} {knob.unit}".rstrip())
    return value


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _strings(text: str) -> dict[str, str]:
    return {str(name): str(value) for name, value in json.loads(text).items()}


def _readers(text: str) -> dict[str, Reader]:
    return {account: Reader(**values) for account, values in json.loads(text).items()}


_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _boolean,
    "tuple[str, ...]": _listed,
    "Mapping[str, str]": _strings,
    "Mapping[str, Reader]": _readers,
}
