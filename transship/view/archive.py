"""An archive as a tree: images, their manifests, configs and layers; or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

from transship.view.screen import show_result
from transship.view.text import foreign, label, plural, short, size

_KINDS: Final = {
    "docker": "docker archive",
    "docker+oci": "docker archive that is an OCI layout too",
    "oci": "OCI layout",
    "chart": "Helm chart",
}


def show_inspection(document: Mapping[str, Any]) -> None:
    """Show what `inspection` described."""
    if document["status"] == "accepted":
        _show_contents(document)
    else:
        _show_refusal(document)


def _show_contents(document: Mapping[str, Any]) -> None:
    show_result(archive_tree(document))
    for warning in document["warnings"]:
        show_result(label(("warning: ", "yellow"), warning))
    if "push" in document:
        _show_push(document["push"])


def _show_push(push: Mapping[str, Any]) -> None:
    show_result("\na push would bring")
    for image in push["images"]:
        for tag in image["tags"]:
            show_result(label("  ", (f"{image['repository']}:{tag}", "bold cyan")))
    show_result(f"and read {size(push['bytes_to_move'])} of layers, skipping {size(push['bytes_to_skip'])}")


def _show_refusal(document: Mapping[str, Any]) -> None:
    show_result(label((f"{document['code']}: ", "bold red"), document["detail"]))
    if document["member"] is not None:
        show_result(label("  member   ", foreign(document["member"])))
    if document["offset"] is not None:
        show_result(label("  offset   ", f"{document['offset']:,}"))
    show_result(label("  meaning  ", document["meaning"]))
    show_result(label("  do       ", document["remedy"]))


def archive_tree(document: Mapping[str, Any]) -> Tree:
    """Return the tree of an accepted archive."""
    images = document["images"]
    tree = Tree(_heading(document))
    for image in images:
        names = ", ".join(map(_name, image["names"])) or "no name"
        branch = _grow(tree, image, label((names, "bold cyan"), "  ", _title(image)))
        for referrer in image["referrers"]:
            kind = foreign(referrer["artifact_type"] or "referrer")
            tag = f"tag {foreign(referrer['tag'])}  " if referrer["tag"] else ""
            _grow(branch, referrer, label((kind, "magenta"), "  ", (tag, "cyan"), _title(referrer)))
    return tree


def _heading(document: Mapping[str, Any]) -> Text:
    """Return the archive's name with what it is, and below it what else there is to say of it as a whole."""
    about = f"{_KINDS[document['kind']]}, {size(document['size'])}"
    if document["kind"] != "chart":
        about += f", {plural(len(document['images']), 'image')}"
    lines = []
    if document["producer"]:
        lines.append(f"it seems to be written by {foreign(document['producer'])}")
    if document["compressed"]:
        lines.append(f"it is compressed with {document['compressed']}: a push reads all of it, twice at most as a rule")
    if document["found"] > document["pushed"]:
        lines.append(f"it names {plural(document['found'], 'manifest')}, of which a push puts {document['pushed']}")
    return label((foreign(document["archive"]), "bold"), f"  {about}", *(f"\n  {line}" for line in lines))


def _name(name: str) -> str:
    return f"tag {foreign(name[1:])}" if name.startswith(":") else foreign(name)


def _grow(tree: Tree, manifest: Mapping[str, Any], title: Text) -> Tree:
    branch = tree.add(title)
    if manifest.get("subject"):
        branch.add(label(("subject  ", "dim"), manifest["subject"]))
    if manifest["config"]:
        branch.add(label(("config   ", "dim"), _blob(manifest["config"])))
    for layer in manifest["layers"]:
        branch.add(label(("layer    ", "dim"), _raw(layer) if "diff_id" in layer else _blob(layer)))
    for child in manifest.get("children", ()):
        kind = foreign(child["artifact_type"] or ("image" if child["config"] else "index"))
        _grow(branch, child, label((kind, "cyan"), "  ", _title(child)))
    return branch


def _title(manifest: Mapping[str, Any]) -> str:
    if manifest["manifest"] == "generated":
        return "  ".join(filter(None, [manifest["platform"], "(its manifest is written by the push)"]))
    known = f"{manifest['digest']}  {size(manifest['size'])}  {foreign(manifest['media_type'])}"
    return f"{manifest['platform']}  {known}" if manifest["platform"] else known


def _raw(layer: Mapping[str, Any]) -> str:
    packed = layer["compression"]
    fate = f"{packed}: the bytes are kept" if packed else "uncompressed: the push compresses it"
    return f"diff_id {short(layer['diff_id'])}  {size(layer['size']):>10}  {fate}"


def _blob(blob: Mapping[str, Any]) -> str:
    return f"{short(blob['digest'])}  {size(blob['size']):>10}  {foreign(blob['media_type'])}"
