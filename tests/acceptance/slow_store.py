"""An asynchronous filesystem of fsspec, as s3fs and its like are: coroutines on a loop in a thread of its own.

Processes of fsctl find it by the entry point that ``install`` writes, as they find those of other libraries. What
it holds lies in a folder. Each answer takes its time, and a file is written in two halves: a process can be killed
in between.
"""

import asyncio
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem

ANSWER_S = 0.02
HALF_S = 0.2


class SlowStore(AsyncFileSystem):
    """``slow:///FOLDER/NAME``."""

    protocol = "slow"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.split("://", 1)[-1].strip("/")

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        await asyncio.sleep(ANSWER_S)
        found = Path(path)
        if not found.exists():
            raise FileNotFoundError(path)
        return {"name": path, "size": found.stat().st_size, "type": "directory" if found.is_dir() else "file"}

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        await asyncio.sleep(ANSWER_S)
        return Path(path).read_bytes()[start:end]

    async def _pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        await asyncio.sleep(ANSWER_S)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("wb") as file:
            for half in (value[: len(value) // 2], value[len(value) // 2 :]):
                file.write(half)
                file.flush()
                await asyncio.sleep(HALF_S)

    async def _put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        await self._pipe_file(rpath, Path(lpath).read_bytes())

    async def _get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        Path(lpath).write_bytes(await self._cat_file(rpath))

    async def _rm_file(self, path: str, **_: Any) -> None:
        await asyncio.sleep(ANSWER_S)
        Path(path).unlink()

    async def _makedirs(self, *_: Any, **__: Any) -> None:
        await asyncio.sleep(ANSWER_S)


def install(folder: Path) -> None:
    """Make a folder for PYTHONPATH in which fsspec finds it."""
    about = folder / "slow_store-1.dist-info"
    about.mkdir(parents=True)
    (folder / "slow_store.py").write_text(Path(__file__).read_text("utf-8"), "utf-8")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-store\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[fsspec.specs]\nslow = slow_store.SlowStore\n")
