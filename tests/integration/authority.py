"""Certificates of every kind, made by the openssl of this machine."""

import subprocess
from pathlib import Path


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class Authority:
    """One that signs, with an intermediate below it, as the public ones have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._key = key
        openssl(
            "req",
            "-x509",
            *key,
            "-subj",
            "/CN=Root",
            "-days",
            30,
            "-keyout",
            folder / "root.key",
            "-out",
            self.root,
        )
        self._sign("middle", "root", "basicConstraints=critical,CA:TRUE", 30)

    def _sign(self, name: str, by: str, extension: str, days: int) -> None:
        folder = self.folder
        (folder / f"{name}.ext").write_text(extension)
        request = folder / f"{name}.csr"
        openssl("req", *self._key, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", request)
        signer = ["-CA", folder / f"{by}.pem", "-CAkey", folder / f"{by}.key", "-CAcreateserial"]
        files = ["-in", request, "-extfile", folder / f"{name}.ext", "-out", folder / f"{name}.pem"]
        openssl("x509", "-req", *signer, *files, "-days", days)

    def issue(self, name: str, host: str, days: int, *, whole: bool = True) -> Path:
        """agent.pem as FreeSWITCH has it: certificate, chain and key. Args: whole: with the intermediate."""
        self._sign(name, "middle", f"subjectAltName=DNS:{host}", days)
        parts = [f"{name}.pem", *(["middle.pem"] if whole else []), f"{name}.key"]
        agent = self.folder / f"{name}-agent.pem"
        agent.write_bytes(b"".join((self.folder / part).read_bytes() for part in parts))
        return agent
