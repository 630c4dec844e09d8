"""JSON that readers would take differently is refused; everything else is read."""

import pytest

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.strict_json import MAXIMUM_DEPTH, Fields, parse_json


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b'{"layers":1,"layers":2}', Code.JSON_AMBIGUOUS, id="a key twice"),
        pytest.param(b'{"layers":1,"Layers":2}', Code.JSON_AMBIGUOUS, id="a key in two cases"),
        pytest.param('{"layers":1,"layer\u017f":2}'.encode(), Code.JSON_AMBIGUOUS, id="a key that Go folds to another"),
        pytest.param(b'[{"a":{"b":1,"B":2}}]', Code.JSON_AMBIGUOUS, id="in two cases, deep inside"),
        pytest.param(b"NaN", Code.JSON, id="NaN"),
        pytest.param(b"[-Infinity]", Code.JSON, id="Infinity"),
        pytest.param(b"1e999", Code.JSON, id="a number beyond a double"),
        pytest.param(b"1" * 5000, Code.JSON, id="an integer of 5,000 digits"),
        pytest.param(b"[" * 100_000, Code.JSON, id="a depth of 100,000"),
        pytest.param(b"[" + b"[]," * 99_999 + b"[]]", Code.JSON, id="100,001 values"),
        pytest.param(b"[" * 65 + b"]" * 65, Code.JSON, id="one deeper than allowed"),
        pytest.param(b'"\\ud800"', Code.JSON, id="half a surrogate pair"),
        pytest.param(b'{"\\udc00":1}', Code.JSON, id="half a surrogate pair as a key"),
        pytest.param('{"a":1}'.encode("utf-16"), Code.JSON, id="UTF-16"),
        pytest.param(b"\xef\xbb\xbf{}", Code.JSON, id="a byte order mark"),
        pytest.param(b'"\xff"', Code.JSON, id="not UTF-8"),
        pytest.param(b"", Code.JSON, id="nothing"),
        pytest.param(b"{} {}", Code.JSON, id="two documents"),
        pytest.param(b'"a\nb"', Code.JSON, id="a raw line feed in a string"),
    ],
)
def test_refuses(raw: bytes, code: Code) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_json(raw)

    assert caught.value.code is code


@pytest.mark.parametrize("name", ["annotations", "Labels", "Volumes"])
def test_keys_of_users_may_differ_in_case_alone(name: str) -> None:
    assert parse_json(b'{"%s":{"/data":1,"/Data":2}}' % name.encode()) == {name: {"/data": 1, "/Data": 2}}


def test_takes_the_depth_that_is_allowed() -> None:
    raw = b"[" * MAXIMUM_DEPTH + b"]" * MAXIMUM_DEPTH

    assert parse_json(raw) is not None


def test_a_field_in_another_case_is_not_absent() -> None:
    with pytest.raises(RefusedError) as caught:
        Fields({"Layers": []}, "a manifest").array("layers")

    assert caught.value.code is Code.JSON_AMBIGUOUS


def test_null_is_absent() -> None:
    fields = Fields({"layers": None}, "a manifest")

    assert "layers" not in fields
    assert fields.array("layers") == ()


@pytest.mark.parametrize(("reader", "value"), [("text", 1), ("array", {}), ("texts", [1]), ("string_map", {"a": 1})])
def test_a_field_of_the_wrong_type_is_refused(reader: str, value: object) -> None:
    with pytest.raises(RefusedError) as caught:
        getattr(Fields({"x": value}, "a manifest"), reader)("x")

    assert caught.value.code is Code.MANIFEST_FORM
