"""Peak memory of profiling 20 million rows, chunk by chunk, against 1 million: each in a process of its own."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

CHUNK = 100_000
FEW, MANY = 1_000_000, 20_000_000
MOST = 1.2


def chunks(rows: int) -> Iterator[pa.Table]:
    random = np.random.default_rng(3)
    for _ in range(rows // CHUNK):
        yield pa.table(
            {
                **{f"n{i}": random.normal(i, 1 + i, CHUNK) for i in range(4)},
                "keys": random.integers(0, 100_000, CHUNK).astype(str),
                "kind": np.array(["a", "b", "c"])[random.integers(0, 3, CHUNK)],
            }
        )


def child(rows: int) -> None:
    """Profile so many rows, and print the peak of memory in kB."""
    from perennial.drift.profiles.profile import profile
    from perennial.drift.reference import fit_reference
    from perennial.spec.columns import Kind

    kinds = {**{f"n{i}": Kind.NUMERIC for i in range(4)}, "keys": Kind.CATEGORICAL, "kind": Kind.CATEGORICAL}
    reference = fit_reference([(str(i), chunk) for i, chunk in enumerate(chunks(5 * CHUNK))], kinds, {})
    found = profile(chunks(rows), kinds, reference.bins)
    assert found.rows == rows
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    print(peak[1])


def main() -> int:
    peaks = {}
    for rows in (FEW, MANY):
        done = subprocess.run([sys.executable, __file__, str(rows)], capture_output=True, text=True, check=True)
        peaks[rows] = int(done.stdout) / 1024
    ratio = peaks[MANY] / peaks[FEW]
    print(f"| rows | peak MB |\n|---|---|\n| {FEW:,} | {peaks[FEW]:.0f} |\n| {MANY:,} | {peaks[MANY]:.0f} |")
    print(json.dumps({"peak_mb": {str(rows): peak for rows, peak in peaks.items()}, "ratio": ratio}))
    if ratio > MOST:
        print(f"{ratio:.2f} times as much memory; {MOST} were allowed", file=sys.stderr)
    return int(ratio > MOST)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(int(sys.argv[1]))
    else:
        sys.exit(main())
