"""What AWS refuses of a target when it is put, and moto takes (PutTargets, EventBridge API Reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.events.exceptions import ValidationException

from transship.local.events.retries import EVENT_AGE_SECONDS, RETRIES
from transship.local.events.target_input import is_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_BOUNDS = {"MaximumRetryAttempts": (0, RETRIES), "MaximumEventAgeInSeconds": (60, EVENT_AGE_SECONDS)}
_SHAPERS = ("Input", "InputPath", "InputTransformer")


def check_targets(targets: Sequence[Mapping[str, Any]], region: str) -> None:
    """
    Look at *targets* of a rule in *region*.

    Raises:
        ValidationException: A retry policy is out of bounds, an input is asked for in two ways or by no JSONPath, or a
            dead-letter queue is in order or in another Region.
    """
    for target in targets:
        for fault in (*_retry_faults(target), *_input_faults(target), *_dead_letter_faults(target, region)):
            raise ValidationException(f"{fault} for target {target['Id']}.")


def _retry_faults(target: Mapping[str, Any]) -> Iterable[str]:
    for name, value in (target.get("RetryPolicy") or {}).items():
        least, most = _BOUNDS[name]
        if not least <= value <= most:
            yield f"RetryPolicy.{name} must be from {least} to {most}"


def _input_faults(target: Mapping[str, Any]) -> Iterable[str]:
    if len([name for name in _SHAPERS if name in target]) > 1:
        yield f"Only one of {', '.join(_SHAPERS)} must be provided"
    paths = [target["InputPath"]] if "InputPath" in target else []
    for path in (*paths, *target.get("InputTransformer", {}).get("InputPathsMap", {}).values()):
        if not is_path(path):
            yield f"{path} is no JSONPath"


def _dead_letter_faults(target: Mapping[str, Any], region: str) -> Iterable[str]:
    arn = target.get("DeadLetterConfig", {}).get("Arn")
    if arn is None:
        return
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sqs" or arn.endswith(".fifo"):
        yield "DeadLetterConfig.Arn must be a standard SQS queue"
    elif parts[3] != region:
        yield "DeadLetterConfig.Arn must be in the Region of the rule"
