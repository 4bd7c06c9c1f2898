"""Files that are something else than CSV, recognised by the bytes that they begin with."""

import struct

RECOGNISED_BY = 512  # bytes from the start
_PARQUET = b"PAR1\x15"  # with the first byte behind its magic: a column of a CSV file may be called PAR1
_GZIP = b"\x1f\x8b\x08"
_ZIP = b"PK\x03\x04"
_NAME_LENGTH, _NAME = slice(26, 28), 30  # in a zip archive's first entry
_OFFICE = (b"[Content_Types].xml", b"docProps/", b"_rels/", b"xl/")


def foreign(start: bytes) -> str:
    """What a file is that begins so, and what to do, as sentences without the file's name; "" for what may be CSV.

    >>> foreign(b"PAR1\\x15\\x04")
    'is a Parquet file, not CSV. Set `format: parquet` in the source, or write the file as CSV.'
    >>> foreign(b"PAR1,weight\\n1,2\\n")
    ''
    """
    if start.startswith(_PARQUET):
        return "is a Parquet file, not CSV. Set `format: parquet` in the source, or write the file as CSV."
    if start.startswith(_GZIP):
        return "is packed with gzip, and its name does not say so. Let its name end in .gz, or unpack it."
    if not start.startswith(_ZIP) or len(start) < _NAME:
        return ""
    (length,) = struct.unpack("<H", start[_NAME_LENGTH])
    if start[_NAME : _NAME + length].startswith(_OFFICE):
        return "is an Excel workbook or another file of Office, not CSV. Save the sheet as CSV, in UTF-8."
    return "is a zip archive, not CSV. Unpack it, or pack the file with gzip and let its name end in .gz."
