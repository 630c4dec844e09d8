"""`transship inspect` as it is called."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from tests import archives
from transship.cli import main
from transship.demo import Layer, write_docker_archive


@pytest.fixture(name="archive")
def _archive(tmp_path: Path) -> Path:
    (tmp_path / "hello").write_text("hello")
    path = tmp_path / "small.tar"
    with path.open("w+b") as file:
        write_docker_archive(file, [Layer("a file", (("hello", tmp_path / "hello"),))], "team/small:1")
    return path


def test_prints_one_document(archive: Path) -> None:
    answer = CliRunner().invoke(main, ["inspect", str(archive), "--json"])

    assert (answer.exit_code, answer.stderr) == (0, "")
    document = json.loads(answer.stdout)
    assert (document["status"], document["kind"]) == ("accepted", "docker")
    assert [image["names"] for image in document["images"]] == [["team/small:1"]]
    assert document["images"][0]["layers"][0]["size"] == 10_240


def test_shows_a_tree(archive: Path) -> None:
    answer = CliRunner().invoke(main, ["inspect", str(archive)])

    assert answer.exit_code == 0
    assert "team/small:1" in answer.stdout
    assert "uncompressed: the push compresses it" in answer.stdout


def test_a_refusal_is_a_failure_with_code_and_offset(tmp_path: Path, archive: Path) -> None:
    cut = tmp_path / "cut.tar"
    cut.write_bytes(archive.read_bytes()[:5000])

    answer = CliRunner().invoke(main, ["inspect", str(cut), "--json"])

    document = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert (document["status"], document["code"]) == ("refused", "TRUNCATED")
    assert document["offset"] is not None


def test_a_refusal_is_shown_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty.tar").touch()

    answer = CliRunner().invoke(main, ["inspect", str(tmp_path / "empty.tar")])

    assert answer.exit_code == 1
    assert "EMPTY_OBJECT" in answer.stdout
    assert "Upload the archive again" in answer.stdout


def test_a_missing_file_is_a_wrong_command_line(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["inspect", str(tmp_path / "none.tar")])

    assert answer.exit_code == 2
    assert "No such file" in answer.stderr
    assert answer.stdout == ""


def test_says_where_a_push_would_bring_it(archive: Path) -> None:
    answer = CliRunner().invoke(main, ["inspect", str(archive), "--repository", "team/app", "--json"])

    push = json.loads(answer.stdout)["push"]
    assert push["images"] == [{"repository": "team/app", "tags": ["1"]}]
    assert (push["bytes_to_move"], push["bytes_to_skip"]) == (10_240, 0)


def test_a_registry_without_a_repository_is_a_wrong_command_line(archive: Path) -> None:
    answer = CliRunner().invoke(main, ["inspect", str(archive), "--registry", "111122223333/us-east-1"])

    assert answer.exit_code == 2


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress], ids=lambda f: f.__module__
)
def test_a_compressed_archive_is_read_to_its_end(archive: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = archive.with_suffix(".packed")
    packed.write_bytes(pack(archive.read_bytes()))

    plain = json.loads(CliRunner().invoke(main, ["inspect", str(archive), "--json"]).stdout)
    answer = CliRunner().invoke(main, ["inspect", str(packed), "--json", "--repository", "team/small"])
    document = json.loads(answer.stdout)

    assert document["compressed"] in {"gzip", "bzip2", "xz", "zstd"}
    assert [image["layers"] for image in document["images"]] == [image["layers"] for image in plain["images"]]
    assert document["push"]["images"] == [{"repository": "team/small", "tags": ["1"]}]
    shown = CliRunner().invoke(main, ["inspect", str(packed)])
    assert f"compressed with {document['compressed']}" in " ".join(shown.stdout.split())


def test_a_chart_is_shown_with_its_provenance(tmp_path: Path) -> None:
    content = archives.chart()
    path = tmp_path / "webapp-1.2.3.tgz"
    path.write_bytes(content)
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\n\nfiles:\n  webapp.tgz: sha256:{archives.sha256(content)}\n"
    Path(f"{path}.prov").write_text(signed)

    answer = CliRunner().invoke(main, ["inspect", str(path), "--json", "--repository", "charts"])

    document = json.loads(answer.stdout)
    assert (document["kind"], document["compressed"]) == ("chart", None)
    assert len(document["images"][0]["layers"]) == 2
    assert document["push"]["images"] == [{"repository": "charts/webapp", "tags": ["1.2.3_build.5"]}]


def test_another_tools_bundle_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(archives.tar({"manifest.json": b'[{"Image": {"Refs": []}}]'}))

    answer = CliRunner().invoke(main, ["inspect", str(path), "--json"])

    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["code"]) == (1, "BUNDLE")
    assert "imgpkg" in document["detail"]


def test_a_kept_image_is_shown_with_its_platform_and_compression(tmp_path: Path) -> None:
    layout = archives.Layout()
    layout.list(archives.multi_platform(layout, "amd64", "arm64"), ref="1.0")
    path = tmp_path / "layout.tar"
    path.write_bytes(layout.tar())

    shown = CliRunner().invoke(main, ["inspect", str(path)]).stdout
    document = json.loads(CliRunner().invoke(main, ["inspect", str(path), "--json"]).stdout)

    assert "tag 1.0" in shown
    assert "linux/amd64" in shown
    assert "linux/arm64" in shown
    (index,) = document["images"]
    assert {layer["compression"] for child in index["children"] for layer in child["layers"]} == {"gzip"}


def test_a_signature_is_shown_with_its_tag(tmp_path: Path) -> None:
    layout = archives.Layout()
    tag = layout.list(layout.image(archives.image()), ref="1.0")["digest"].replace(":", "-") + ".sig"
    layout.list(layout.manifest(layout.add(b"{}", archives.OCI_EMPTY), [layout.add(b"x", "text/plain")]), ref=tag)
    (tmp_path / "signed.tar").write_bytes(layout.tar())

    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "signed.tar")]).stdout

    assert f"tag {tag}" in shown.replace("\n", "")


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("manifest.json", b'"Layers"', b'"Layers":[],"Layers"', "JSON_AMBIGUOUS"),
        ("manifest.json", b'"Config"', b'"config"', "JSON_AMBIGUOUS"),
        ("manifest.json", b"]}]", b"]}", "JSON"),
        ("index.json", b'"size":', b'"size":-', "SIZE"),
        ("index.json", b'"schemaVersion":2', b'"schemaVersion":3', "MANIFEST_FORM"),
        ("oci-layout", b"1.0.0", b"2.0.0", "MANIFEST_FORM"),
    ],
)
def test_a_refused_document_is_named_with_its_place(
    tmp_path: Path, name: str, old: bytes, new: bytes, code: str
) -> None:
    files = archives.hybrid_layout(archives.image()).files()
    files[name] = bytes(files[name] or b"").replace(old, new, 1)  # type: ignore[arg-type]
    path = tmp_path / "broken.tar"
    path.write_bytes(archives.tar(files))

    document = json.loads(CliRunner().invoke(main, ["inspect", str(path), "--json"]).stdout)

    assert (document["code"], document["member"]) == (code, name)
    offset = document["offset"]
    assert path.read_bytes()[offset : offset + len(name)] == name.encode()


@pytest.mark.parametrize(("what", "code"), [("architecture", "JSON"), ("config", "JSON"), ("mediaType", "JSON")])
def test_a_refused_blob_is_named_with_its_place(tmp_path: Path, what: str, code: str) -> None:
    """Whoever signs what he breaks gets further than the digest."""
    layout = archives.Layout()
    one = archives.image()
    if what == "architecture":
        config = layout.add(one.config[:-1], archives.OCI_CONFIG)
        root = layout.manifest(config, [])
        broken = config["digest"]
    else:
        root = layout.add(f'{{"{what}":'.encode(), archives.OCI_MANIFEST)
        broken = root["digest"]
    layout.list(root, ref="1.0")
    path = tmp_path / "broken.tar"
    path.write_bytes(layout.tar())

    document = json.loads(CliRunner().invoke(main, ["inspect", str(path), "--json"]).stdout)

    assert (document["code"], document["member"]) == (code, f"blobs/sha256/{broken.removeprefix('sha256:')}")
    assert document["offset"] is not None
