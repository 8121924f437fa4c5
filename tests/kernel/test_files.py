import zipfile
from pathlib import Path

import pytest

from kernel.files import DOCX, JPEG, OFD, PDF, PNG, XLSX, detect


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
