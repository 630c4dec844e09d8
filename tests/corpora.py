"""Where the third-party archives are, read in place: beside the project, or where TRANSSHIP_CORPUS says."""

import os
from pathlib import Path

import pytest

CORPUS = Path(os.environ.get("TRANSSHIP_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))

needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no third-party archives in {CORPUS}; set TRANSSHIP_CORPUS"
)


def names_in(folder: str) -> set[str]:
    """Return the names of the files in a folder of the corpus."""
    return {path.name for path in (CORPUS / folder).iterdir()}
