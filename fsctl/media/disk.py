"""How full the disks are on which recordings grow and lie."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


class Disk:
    """Watches the file systems of a spool and of an archive."""

    def __init__(
        self,
        spool: Path,
        archive: Path | None,
        share_used: Callable[[Path], float] | None = None,
    ) -> None:
        """
        Args:
            archive: the archive's folder; None where it is elsewhere and has room of its own.
            share_used: how full a folder's file system is, 0 to 1.
        """
        self._spool = spool
        self._archive = archive
        self._share_used = share_used or _share_used

    def used(self) -> Mapping[Path, float]:
        """How full each folder's file system is."""
        folders = [self._spool] if self._archive is None else [self._spool, self._archive]
        return {folder: self._share_used(folder) for folder in folders if folder.exists()}

    def archive_used(self) -> float:
        """The same of the archive; 0 where there is nothing of ours to be made smaller."""
        if self._archive is None or not self._archive.exists():
            return 0.0
        return self._share_used(self._archive)

    def name_of(self, path: Path) -> str:
        """A file of the archive by its name in it."""
        return str(path.relative_to(self._archive or path.parent))


def _share_used(folder: Path) -> float:
    """As ``df`` says it: of what we may use."""
    found = shutil.disk_usage(folder)
    return found.used / max(1, found.used + found.free)
