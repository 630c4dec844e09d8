"""The key under which an archive is uploaded: it names the repository, and the tag of an image that has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from chalicelib.errors import RefusedError
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.planning.naming import Place, file_tag, stem
from transship.errors import ArgumentsError

PREFIX: Final = "uploads/"
"""Of all uploads, unless a deployment was given another one."""
_DEFAULT_NAMESPACE: Final = "vendor"
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


def upload_key(archive: Path, *, key: str | None = None, repository: str | None = None, tag: str | None = None) -> str:
    """
    Return the key for *archive*: *key* itself, or `uploads/<repository>/<file name>`.

    Args:
        archive: Its file name becomes the last part.
        key: The whole key; excludes the other two.
        repository: `vendor/<file name without its suffixes>` if it is not given.
        tag: Becomes the file name's, `<last part of the repository>-<tag>` and the archive's suffixes.

    Raises:
        ArgumentsError: They exclude each other, or are no names.
    """
    if key and (repository or tag):
        raise ArgumentsError("--key already says all that --repository and --tag could.", "Give one or the other.")
    if key:
        return key
    try:
        name = RepositoryName(repository or f"{_DEFAULT_NAMESPACE}/{slug(archive.name)}")
        file_name = f"{name.last}-{Tag(tag)}{_suffixes(archive.name)}" if tag else archive.name
    except RefusedError as error:
        raise ArgumentsError(f"{error.code.name}: {error.detail}.", error.code.remedy) from error
    if tag and file_tag(Place(name, file_name)) != tag:
        raise ArgumentsError(f"No file name says the tag {tag}: its end looks like a suffix.", "Choose another tag.")
    return f"{PREFIX}{name}/{file_name}"


def slug(file_name: str) -> str:
    """Return the file name without its suffixes as the last component of a repository's name."""
    return _SEPARATORS.sub(_separator, stem(file_name).lower()).strip("._-") or "image"


def _separator(found: re.Match[str]) -> str:
    return found[0] if found[0] in {".", "_", "-"} else "-"


def _suffixes(file_name: str) -> str:
    return file_name.removeprefix(stem(file_name)) or ".tar"
