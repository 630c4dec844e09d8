"""JSONTestSuite: `y_` must parse, `n_` must not, and what we decide about `i_`."""

import time
import tracemalloc

import pytest

from chalicelib.archive.limits import MIB
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.strict_json import parse_json
from tests.corpora import CORPUS, names_in, needs_corpus

pytestmark = needs_corpus

FOLDER = "hostile/json"
NAMES = sorted(names_in(FOLDER)) if CORPUS.is_dir() else []

# JSON's grammar allows a key twice; readers then pick different ones, so we do not.
AMBIGUOUS = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}

# Left to the implementation, and taken: numbers that a double or a long integer holds, if only as zero.
TAKEN = {
    "i_number_double_huge_neg_exp.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
}
# The other `i_` files are refused: numbers beyond a double, half surrogate pairs, bytes that are not UTF-8, byte order
# marks, UTF-16, and 500 arrays within each other.


def verdict(name: str) -> Code | None:
    if name in AMBIGUOUS:
        return Code.JSON_AMBIGUOUS
    return None if name.startswith("y_") or name in TAKEN else Code.JSON


def test_all_files_are_there() -> None:
    assert len(NAMES) == 318


@pytest.mark.parametrize("name", NAMES)
def test_verdict(name: str) -> None:
    raw = (CORPUS / FOLDER / name).read_bytes()
    tracemalloc.start()
    began = time.process_time()
    code = None

    try:
        parse_json(raw)
    except RefusedError as error:
        code = error.code

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert code is verdict(name)
    assert time.process_time() - began < 2
    assert peak < 64 * MIB
