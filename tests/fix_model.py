"""Real weights: tiny.en, fetched once and kept beside the checkout's own data."""

import os
from pathlib import Path

import pytest

from fsctl.transcribe import engine, models

MODEL = "tiny.en"


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """The folder that holds models, with tiny.en in it. FSCTL_MODEL_DIR wins."""
    folder = Path(os.environ.get("FSCTL_MODEL_DIR") or Path(__file__).parent.parent / ".fsctl" / "models")
    models.fetch(MODEL, folder, lambda *_: None)
    return folder.absolute()


@pytest.fixture(scope="session")
def whisper(model_dir: Path) -> engine.Engine:
    """The engine with tiny.en."""
    return engine.load(
        "whisper",
        engine.EngineOptions(model_dir=model_dir / MODEL, languages=["en"], device="cpu", threads=1),
    )
