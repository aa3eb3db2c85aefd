"""What large blocks leave behind in a process, with and without the setting."""

import subprocess
import sys

import pytest

from fsctl.media import memory

SCRIPT = """
import sys
from pathlib import Path
from fsctl.media.memory import keep_large_blocks_apart
def grown():
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
block = b"x" * (16 << 20)
del block  # from here on glibc would keep what is as large
if sys.argv[1] == "apart":
    assert keep_large_blocks_apart()
before = grown()
large, small = [], []
for _ in range(40):
    large.append(b"x" * (1 << 20))
    small.append(b"x" * 50_000)
del large
many = [b"x" * 100_000 for _ in range(200)]
del many
print(grown() - before)
"""


def left_kb(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not memory.keep_large_blocks_apart(), reason="this C library has no mallopt")
def test_large_blocks_that_are_freed_leave_nothing_behind() -> None:
    assert left_kb("apart") < 4_000 < 15_000 < left_kb("as it is")
