"""The vectors of Go's archive/tar and of tokio-tar: what each is to us, and why; fast and small, all of them."""

import time
import tracemalloc

import pytest

from chalicelib.archive.compressed import open_compressed
from chalicelib.archive.limits import MIB, ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.archive.tar_walk import walk
from chalicelib.archive.window import Window
from chalicelib.errors import Code, RefusedError
from tests.archives import MemorySource, gzipped
from tests.corpora import CORPUS, names_in, needs_corpus

pytestmark = needs_corpus

WALKED = None  # a sound tar; none of them holds an image

GO: dict[str, tuple[Code | None, str]] = {
    "file-and-dir.tar": (WALKED, "a file and a directory"),
    "gnu-incremental.tar": (Code.TAR_HEADER, "GNU's incremental dump: times where Python's tarfile reads a prefix"),
    "gnu-long-nul.tar": (Code.TAR_META, "a long name with a NUL inside: readers cut it at different places"),
    "gnu-multi-hdrs.tar": (Code.TAR_DESYNC, "two long names for one member"),
    "gnu-nil-sparse-data.tar": (Code.TAR_TYPE, "sparse, GNU's old form"),
    "gnu-nil-sparse-hole.tar": (Code.TAR_TYPE, "sparse, GNU's old form"),
    "gnu-not-utf8.tar": (Code.NAME_ENCODING, "a name that is not UTF-8"),
    "gnu-sparse-big.tar": (Code.TAR_TYPE, "sparse: 5 kB that stand for 60 GB"),
    "gnu-utf8.tar": (WALKED, "a UTF-8 name in GNU's form"),
    "gnu.tar": (WALKED, "two files in GNU's form"),
    "hardlink.tar": (WALKED, "a hard link; refused as an archive, see below"),
    "hdr-only.tar": (Code.TAR_DESYNC, "a directory with a size: some readers skip content, others do not"),
    "invalid-go17.tar": (Code.TAR_HEADER, "a name's prefix where GNU keeps times, as Go 1.7 wrote it"),
    "issue10968.tar": (Code.NOT_ARCHIVE, "noise"),
    "issue11169.tar": (Code.TAR_HEADER, "a number that is not octal"),
    "issue12435.tar": (Code.NOT_ARCHIVE, "noise"),
    "neg-size.tar": (Code.NOT_ARCHIVE, "a negative size without any magic"),
    "nil-uid.tar": (Code.TAR_HEADER, "GNU's times where Python's tarfile reads a prefix; and no end mark"),
    "pax-bad-hdr-file.tar": (Code.TAR_META, "a PAX record that is none"),
    "pax-bad-mtime-file.tar": (Code.TRUNCATED, "a time that nobody needs; but no end mark"),
    "pax-global-records.tar": (Code.TAR_META, "global headers that set names: GNU and BSD tar read them differently"),
    "pax-multi-hdrs.tar": (Code.TAR_DESYNC, "two PAX headers for one member"),
    "pax-nil-sparse-data.tar": (Code.TAR_TYPE, "sparse, in PAX's form"),
    "pax-nil-sparse-hole.tar": (Code.TAR_TYPE, "sparse, in PAX's form"),
    "pax-nul-path.tar": (Code.TAR_META, "a path with a NUL"),
    "pax-nul-xattrs.tar": (Code.TAR_META, "a key with a NUL"),
    "pax-path-hdr.tar": (Code.TRUNCATED, "no end mark"),
    "pax-pos-size-file.tar": (Code.TAR_META, "a size with a plus sign"),
    "pax-records.tar": (WALKED, "records that nobody needs"),
    "pax-sparse-big.tar": (Code.TAR_TYPE, "sparse, in PAX's form"),
    "pax.tar": (WALKED, "a long name and a long link"),
    "sparse-formats.tar": (Code.TAR_TYPE, "sparse, in every form"),
    "star.tar": (Code.TAR_HEADER, "the star dialect: its prefix is shorter"),
    "trailing-slash.tar": (WALKED, "a long name of a directory"),
    "ustar-file-devs.tar": (WALKED, "a device number in a file's header"),
    "ustar-file-reg.tar": (Code.TRUNCATED, "no end mark"),
    "ustar.tar": (WALKED, "a name with a prefix"),
    "v7.tar": (WALKED, "no magic at all, as in 1979"),
    "writer-big-long.tar": (Code.TRUNCATED, "16 GiB promised, 4 kB there"),
    "writer-big.tar": (Code.TRUNCATED, "16 GiB promised, 4 kB there"),
    "writer.tar": (WALKED, "files and a link"),
    "xattrs.tar": (WALKED, "extended attributes that nobody needs"),
}

TOKIO: dict[str, tuple[Code | None, str]] = {
    "7z_long_path.tar": (WALKED, "a long name of 7-Zip"),
    "diff-014-unterminated-pax.tar": (Code.TAR_META, "a PAX record without its line feed"),
    "diff-024-pending-pax-boundary.tar": (Code.TAR_META, "a PAX header without a member"),
    "diff-039-truncated-entry-body.tar": (Code.TRUNCATED, "a member that is cut"),
    "directory.tar": (WALKED, "a directory and files"),
    "duplicate_dirs.tar": (WALKED, "a directory twice: nothing to differ on"),
    "empty_filename.tar": (Code.MEMBER_NAME, "no name"),
    "file_times.tar": (WALKED, "a file"),
    "link.tar": (WALKED, "a link and a hard link; refused as an archive, see below"),
    "pax-header-precedence.tar": (Code.TAR_DESYNC, "a PAX size where the header says 0: a file hides in it"),
    "pax-hidden-entry.tar": (WALKED, "the sizes agree; only readers that apply one to the next member err"),
    "pax-overrides-extension-header.tar": (Code.TAR_DESYNC, "a PAX header before a GNU one"),
    "pax-phantom-entry.tar": (WALKED, "the sizes agree; only readers that apply one to the next member err"),
    "pax.tar": (WALKED, "a long name and a long link"),
    "pax2.tar": (WALKED, "a PAX header"),
    "paxlongname.tar": (WALKED, "a long name"),
    "reading_files.tar": (WALKED, "two files"),
    "simple.tar": (WALKED, "three files"),
    "simple_missing_last_header.tar": (WALKED, "one block short of a record; the end mark is there"),
    "spaces.tar": (WALKED, "numbers padded with spaces"),
    "sparse-1.tar": (Code.TAR_TYPE, "sparse"),
    "sparse-large.tar": (Code.TAR_TYPE, "sparse"),
    "sparse.tar": (Code.TAR_TYPE, "sparse"),
    "xattrs.tar": (WALKED, "extended attributes that nobody needs"),
}

TABLES = {"go-archive-tar": GO, "tokio-tar": TOKIO}
ALL = [(folder, name, code) for folder, table in TABLES.items() for name, (code, _) in table.items()]

# What hidden members must be seen as: by us and by whoever is right.
MEMBERS = {
    ("tokio-tar", "pax-hidden-entry.tar"): ["file_a", "file_b", "hidden"],
    ("tokio-tar", "pax-phantom-entry.tar"): ["file_a", "file_b"],
}


def content_of(folder: str, name: str) -> bytes:
    return (CORPUS / "hostile" / "tar" / folder / name).read_bytes()


@pytest.mark.parametrize("folder", TABLES)
def test_every_tar_has_its_line(folder: str) -> None:
    assert names_in(f"hostile/tar/{folder}") == TABLES[folder].keys()


@pytest.mark.parametrize(("folder", "name", "code"), ALL)
def test_the_walk(folder: str, name: str, code: Code | None) -> None:
    content = content_of(folder, name)
    if code is Code.NOT_ARCHIVE:
        return  # told by `read_archive`, below

    if code is None:
        assert walk(Window(MemorySource(content)), ArchiveLimits())
    else:
        with pytest.raises(RefusedError) as caught:
            walk(Window(MemorySource(content)), ArchiveLimits())
        assert caught.value.code is code


@pytest.mark.parametrize(("folder", "name", "code"), ALL)
def test_reading_refuses_each_quickly_and_in_little_memory(folder: str, name: str, code: Code | None) -> None:
    content = content_of(folder, name)
    expected = {code} if code else {Code.NO_IMAGE, Code.LINK, Code.LINK_TYPE}
    tracemalloc.start()
    began = time.process_time()

    with pytest.raises(RefusedError) as plain:
        read_archive(MemorySource(content), ArchiveLimits())
    with pytest.raises(RefusedError) as compressed:
        read_compressed(gzipped(content))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert plain.value.code in expected
    assert compressed.value.code in expected
    assert time.process_time() - began < 2
    assert peak < 64 * MIB


def read_compressed(content: bytes) -> None:
    with open_compressed(MemorySource(content), ArchiveLimits()) as archive:
        for _ in archive:
            pass
        archive.contents()


@pytest.mark.parametrize(("which", "names"), MEMBERS.items())
def test_nothing_hides(which: tuple[str, str], names: list[str]) -> None:
    assert list(walk(Window(MemorySource(content_of(*which))), ArchiveLimits())) == names
