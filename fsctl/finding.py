"""What a doctor says: things looked at, each well or not, with the cure; how a list of them is shown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fsctl.terminal import Printer, escape


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    ok: bool
    what: str
    finding: str
    cure: str = ""


def show(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print them, a line each or as JSON; the exit code: 0 when all is well."""
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        printer = Printer()
        for finding in findings:
            mark = printer.style("ok   ", "green") if finding.ok else printer.style("FAULT", "red")
            cure = f"; {finding.cure}" if finding.cure else ""
            printer.line(f"{mark} {escape(finding.what):12} {escape(finding.finding + cure)}")
    return 0 if all(finding.ok for finding in findings) else 1
