"""Files and folders of results are complete or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiida_cse.report.whole_files import whole_folder, write_whole


def test_an_interrupted_file_keeps_its_former_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "figure.pdf"
    write_whole(path, b"first")

    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"second")
    assert [one.name for one in tmp_path.iterdir()] == ["figure.pdf"]
    assert path.read_bytes() == b"first"


def test_a_link_is_kept_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / "link").symlink_to("target")
    write_whole(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"content"


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_has_all_files_or_none(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "above" / "results"
    if exists:
        folder.mkdir(parents=True)

    def interrupted() -> None:
        with whole_folder(folder) as partial:
            (partial / "half").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not exists or list(folder.iterdir()) == []
    assert folder.exists() == exists
    with whole_folder(folder) as partial:
        (partial / "inner").mkdir()
        (partial / "whole").write_text("")
    assert sorted(one.name for one in folder.iterdir()) == ["inner", "whole"]
    assert [one.name for one in folder.parent.iterdir()] == ["results"]
