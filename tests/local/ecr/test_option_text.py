"""Switches as a command line gives them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from transship.local.ecr import DOCUMENTED_QUOTAS, EcrOptions
from transship.local.ecr.option_text import parse_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("subject_must_exist=true", True),
        ("part_size=5242880", 5_242_880),
        ("replication_lag_seconds=2", 2),
        ("upload_lifetime_seconds=null", None),
        ("last_valid_byte_of_empty_upload=-1", -1),
        ("backfill_detail_type=ECR Backfill", "ECR Backfill"),
        ('put_image_checks=["tag", "layers"]', ("tag", "layers")),
        ('replication_lags={"444455556666/us-east-1": 60}', {"444455556666/us-east-1": 60}),
        ('quotas={"PutImage": 0.5}', {"PutImage": 0.5}),
        ('scan_findings={"HIGH": 2}', {"HIGH": 2}),
        ("quotas=documented", DOCUMENTED_QUOTAS),
        ("quotas=null", None),
    ],
)
def test_switch_is_read(text: str, value: Any) -> None:
    name = text.partition("=")[0]

    assert getattr(parse_options([text]), name) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subjects_must_exist=true", "no switch 'subjects_must_exist'; there are part_size, "),
        ("subject_must_exist", "takes bool"),
        ("subject_must_exist=1", "takes bool"),
        ("part_size=10 MiB", "takes int"),
        ("part_size=true", "takes int"),
        ("upload_lifetime_seconds=soon", "takes float | null"),
        ('put_image_checks=["color"]', "takes a list of digest, layers"),
        ('replication_lags={"444455556666/us-east-1": "long"}', "takes Mapping"),
    ],
)
def test_what_is_no_switch_is_said_to_be_none(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_options([text])


def test_other_switches_stay() -> None:
    options = parse_options(["subject_must_exist=true", "tags_per_image=2"], EcrOptions(part_size=7))

    assert options == EcrOptions(part_size=7, subject_must_exist=True, tags_per_image=2)
