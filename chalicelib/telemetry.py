"""Log lines and numbers, by Powertools: JSON lines that CloudWatch can query, and metrics embedded in such lines."""

from __future__ import annotations

from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

_LONGEST: Final = 256  # characters of a value that came from outside, against log forging (CWE-117)
NAMESPACE: Final = "Transship"


def _cut(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value


class PowertoolsLog:
    """
    Structured lines; implements `outside.Log`.

    Args:
        service: Names the stage and the function.
    """

    def __init__(self, service: str) -> None:
        self._logger = Logger(service=service, use_rfc3339=True)

    def begin(self, context: Any) -> None:
        """Forget the keys of the last invocation and note the request of this one."""
        self._logger.remove_keys(["upload_id", "tenant"])
        self._logger.append_keys(request_id=context.aws_request_id)

    def keys(self, **keys: str) -> None:
        """Add *keys* to every line of this invocation."""
        self._logger.append_keys(**keys)

    def info(self, message: str, **facts: Any) -> None:
        """Say what was done."""
        self._logger.info(message, extra={name: _cut(value) for name, value in facts.items()})

    def warning(self, message: str, **facts: Any) -> None:
        """Say what an operator may want to look at."""
        self._logger.warning(message, extra={name: _cut(value) for name, value in facts.items()})


class PowertoolsMetrics:
    """
    Numbers in CloudWatch's embedded format; implements `outside.Metrics`.

    Args:
        stage: A dimension of every metric.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def add(self, name: str, unit: str, value: float, **dimensions: str) -> None:
        """Count *value* of *unit* (a CloudWatch unit) under *name*."""
        with single_metric(name=name, unit=MetricUnit(unit), value=value, namespace=NAMESPACE) as metric:
            metric.add_dimension(name="stage", value=self._stage)
            for dimension, text in dimensions.items():
                metric.add_dimension(name=dimension, value=text)
