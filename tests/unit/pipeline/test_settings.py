"""Settings are read once, and an impossible one stops the function at its start."""

from __future__ import annotations

import pytest

from chalicelib.settings import KNOBS, Reader, Settings, SettingsError


def test_absent_and_empty_variables_leave_the_default() -> None:
    assert Settings.from_environment({"TRANSSHIP_LEASE": ""}) == Settings()


def test_each_kind_of_value_is_read() -> None:
    settings = Settings.from_environment(
        {
            "TRANSSHIP_STAGE": "prod",
            "TRANSSHIP_CREATE_REPOSITORIES": "True",
            "TRANSSHIP_LAYERS_AT_ONCE": "5",
            "TRANSSHIP_LEASE": "12.5",
            "TRANSSHIP_PLATFORMS": "linux/amd64, linux/arm/v7",
            "TRANSSHIP_REPOSITORY_TAGS": '{"team": "a"}',
            "TRANSSHIP_READERS": '{"444455556666": {"role_arn": "r", "external_id": "x"}}',
        }
    )

    assert (settings.stage, settings.create_repositories, settings.layers_at_once) == ("prod", True, 5)
    assert settings.platforms == ("linux/amd64", "linux/arm/v7")
    assert (settings.lease, settings.repository_tags) == (12.5, {"team": "a"})
    assert settings.readers == {"444455556666": Reader("r", "x")}


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("TRANSSHIP_LAYERS_AT_ONCE", "0"),
        ("TRANSSHIP_LAYERS_AT_ONCE", "two"),
        ("TRANSSHIP_LEASE", "1e9"),
        ("TRANSSHIP_CREATE_REPOSITORIES", "yes"),
        ("TRANSSHIP_COMPRESSION", "brotli"),
        ("TRANSSHIP_TAG_SOURCE", "guess"),
        ("TRANSSHIP_PLATFORM_TAGS", "linux/amd64"),
        ("TRANSSHIP_CHART_PROVENANCE", "maybe"),
        ("TRANSSHIP_REPOSITORY_TAGS", "[]"),
        ("TRANSSHIP_READERS", '{"444455556666": {}}'),
    ],
)
def test_an_impossible_value_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({variable: text})


def test_every_setting_has_a_variable_of_its_own_and_a_meaning() -> None:
    variables = [knob.variable for knob in KNOBS.values()]
    assert len(set(variables)) == len(variables)
    assert all(knob.variable.startswith("TRANSSHIP_") and knob.meaning.endswith(".") for knob in KNOBS.values())
