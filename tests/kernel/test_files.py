import zipfile
from pathlib import Path

import pytest

from kernel.files import DOCX, JPEG, OFD, PDF, PNG, XLSX, asked_range, detect
from kernel.problems import Problem


@pytest.mark.parametrize(("start", "media_type"), [(b"%PDF-1.7\n", PDF), (b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff\xe0", JPEG)])
def test_a_type_shows_in_the_content(tmp_path: Path, start: bytes, media_type: str) -> None:
    path = tmp_path / "name-says-nothing"
    path.write_bytes(start + b"rest")
    assert detect(path) == media_type


@pytest.mark.parametrize(
    ("member", "media_type"), [("word/document.xml", DOCX), ("xl/workbook.xml", XLSX), ("OFD.xml", OFD), ("run.exe", None)]
)
def test_a_package_is_known_by_what_it_holds_and_a_plain_zip_is_not_taken(tmp_path: Path, member: str, media_type: str | None) -> None:
    path = tmp_path / "package"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr(member, "x")
    assert detect(path) == media_type


@pytest.mark.parametrize("content", [b"", b"MZ", b"<html>", b"PK\x03\x04broken", b" %PDF-1.7"])
def test_anything_else_is_not_taken(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert detect(path) is None


def test_a_document_with_macros_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "document"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("word/document.xml", "x")
        package.writestr("word/vbaProject.bin", "x")
    assert detect(path) is None


def test_a_directory_built_to_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "package"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("word/document.xml", "x")
        for number in range(10_001):
            package.writestr(f"{number}", "")
    assert detect(path) is None


@pytest.mark.parametrize(
    ("header", "wanted"),
    [("bytes=0-0", (0, 1)), ("bytes=9-", (9, 10)), ("bytes=-3", (7, 10)), ("bytes=-30", (0, 10)), ("bytes=2-99", (2, 10))]
    + [(header, None) for header in ("", "bytes", "bytes=-", "bytes=3-2", "bytes=0-1,3-4", "items=0-1", "bytes=x-y")],
)
def test_a_range_is_half_open_and_an_ill_formed_one_is_ignored(header: str, wanted: tuple[int, int] | None) -> None:
    assert asked_range(header, 10) == wanted


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-11", "bytes=-0"])
def test_a_range_past_the_end_can_not_be_given(header: str) -> None:
    with pytest.raises(Problem, match="range_not_satisfiable"):
        asked_range(header, 10)
