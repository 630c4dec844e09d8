"""
Where in the archive its table of contents is, and bundles of other tools that hold images in a form of their own.

Zarf keeps a layout under `images/`, people pack a layout under one top folder: the one folder that has a table of
contents is read. What only its own tool can read is refused by that tool's name, told from content.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from chalicelib.archive.docker import MANIFEST
from chalicelib.archive.layout import INDEX, MARKER
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Kind, Member, Members, blaming
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.strict_json import parse_json

_DEEPEST: Final = 2  # folders above a table of contents

# A member that only this tool writes, and the tool with what to do instead.
_KOTS: Final = "a KOTS airgap bundle; push its images with `kubectl kots admin-console push-images`"
_OC_MIRROR: Final = "an oc-mirror archive; push it with `oc mirror --from`"
_TELLTALES: Final = {"airgap.yaml": _KOTS, "publish/.metadata.json": _OC_MIRROR}
# Folders of which it writes no entry, in openshift/oc-mirror's internal/pkg/archive/const.go; the second archive of a
# set has the registry's alone.
_OC_MIRRORS: Final = ("docker/registry/v2/", "working-dir/.history/")
_TARS: Final = (".tar", ".tar.gz", ".tgz")


def refuse_bundles(members: Members, limits: ArchiveLimits) -> None:
    """
    Refuse what another tool alone can read.

    Raises:
        RefusedError: BUNDLE.
    """
    for name in members.names():
        telltale = _TELLTALES.get(name) or _TELLTALES.get(name.partition("/")[2])
        telltale = telltale or (_OC_MIRROR if name.startswith(_OC_MIRRORS) else None)
        if telltale:
            raise RefusedError(Code.BUNDLE, f"the archive is {telltale}", member=name)
    if _is_imgpkg(members, limits):
        detail = "the archive is of Carvel's imgpkg; push it with `imgpkg copy --tar`"
        raise RefusedError(Code.BUNDLE, detail, member=MANIFEST)
    if _is_hangar(members, limits):
        raise RefusedError(Code.BUNDLE, "the archive is of Hangar; push it with `hangar load`", member=INDEX)
    files = [member.name for member in members if member.kind is Kind.FILE]
    if files and all(name.endswith(_TARS) for name in files):
        raise RefusedError(Code.BUNDLE, "the archive is a tar of tars (as EKS Anywhere writes); upload each by itself")


def _is_imgpkg(members: Members, limits: ArchiveLimits) -> bool:
    entries = _document(members, MANIFEST, limits.docker_manifest)
    return (
        isinstance(entries, list)
        and bool(entries)
        and all(isinstance(entry, dict) and entry.keys() <= {"Image", "ImageIndex"} and entry for entry in entries)
    )


def _is_hangar(members: Members, limits: ArchiveLimits) -> bool:
    index = _document(members, INDEX, limits.document)
    return isinstance(index, dict) and "schemaVersion" not in index and bool(index.keys() & {"list", "List"})


def _document(members: Members, name: str, limit: int) -> object:
    member = members.find(name)
    if member is None:
        return None
    with blaming(member):
        return parse_json(members.read(member, limit))


def find_folder(members: Members) -> str:
    """
    Return the folder of the archive's table of contents, "" or ending in a slash.

    Raises:
        RefusedError: NO_IMAGE if there is none, BUNDLE if there are several.
    """
    names = set(members.names())
    if MANIFEST in names or INDEX in names:
        return ""
    folders = _folders(names)
    if not folders:
        raise RefusedError(Code.NO_IMAGE, _without_image(names))
    if len(folders) > 1:
        raise RefusedError(Code.BUNDLE, "the archive holds several image archives; upload each by itself")
    return folders[0]


def warnings_of(members: Members, folder: str) -> tuple[str, ...]:
    """Return a sentence about tables of contents that are not read, because there is one above them."""
    names = set(members.names())
    others = {_folder(member.name) for member in members if _may_be_table(member, names)} - {folder, "/"}
    return (f"image archives in folders of the archive that are not pushed: {len(others)}",) if others else ()


def _folders(names: set[str]) -> list[str]:
    return sorted({_folder(name) for name in names if _is_table(name, names)})


def _folder(name: str) -> str:
    return name.rpartition("/")[0] + "/"


def _is_table(name: str, names: set[str]) -> bool:
    folder, file = _folder(name), name.rpartition("/")[2]
    if name.count("/") not in range(1, _DEEPEST + 1):
        return False
    if file == INDEX:
        return folder + MARKER in names
    return file == MANIFEST and name.count("/") == 1


def _may_be_table(member: Member, names: set[str]) -> bool:
    """Tell whether *member* is a table of contents, however deep it lies, as far as its beginning is known."""
    file = member.name.rpartition("/")[2]
    if file == INDEX:
        return _folder(member.name) + MARKER in names
    return file == MANIFEST and member.kept.lstrip()[:1] in {b"", b"["}


def is_chart_without_metadata(names: Collection[str]) -> bool:
    """Tell whether a tar without Chart.yaml is a Helm chart in all else: one folder, values or templates, no image."""
    folders = {name.partition("/")[0] for name in names}
    if len(folders) != 1 or _folders(set(names)):
        return False
    (folder,) = folders
    return any(name == f"{folder}/values.yaml" or name.startswith(f"{folder}/templates/") for name in names)


def _without_image(names: set[str]) -> str:
    if "repositories" in names:
        return "the tar is a `docker save` from before Docker 1.10, or its manifest.json was removed"
    if any(name.count("/") == 1 and name.endswith("/Chart.yaml") for name in names):
        return "the tar is a Helm chart that is not compressed; upload what `helm package` wrote"
    if is_chart_without_metadata(names):
        return "the tar is a Helm chart without Chart.yaml"
    if MARKER in names:
        return "the layout has no index.json"
    return "the tar has neither manifest.json nor index.json"
