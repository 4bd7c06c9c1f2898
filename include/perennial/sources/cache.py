"""Files that were read before, in memory: the labels of many windows often lie in the same files."""

import threading
from collections import OrderedDict

import pyarrow as pa

MOST_BYTES = 1 << 28
LARGEST_BYTES = 1 << 26


class FileCache:
    """The rows of files that were read last, by a name for each that changes when the file does.

    Together they take at most `most_bytes`; a file of more than `largest_bytes` is not kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, largest_bytes: int = LARGEST_BYTES) -> None:
        self.largest_bytes = largest_bytes
        self._most = most_bytes
        self._kept: OrderedDict[str, pa.Table] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> pa.Table | None:
        """What was kept under the name."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def put(self, name: str, rows: pa.Table) -> None:
        """Keep the rows, and drop those that were asked for longest ago to make room."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = rows
                self._bytes += rows.nbytes
            while self._bytes > self._most:
                _, removed = self._kept.popitem(last=False)
                self._bytes -= removed.nbytes
