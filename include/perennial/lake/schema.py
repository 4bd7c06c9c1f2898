"""How the columns of a lake table may change: new ones come in, old ones stay, none changes its type."""

import pyarrow as pa

from perennial.errors import SchemaMismatch

PARTITION_COLUMN = "partition_key"


def merged_schema(table: str, known: pa.Schema, arriving: pa.Schema) -> pa.Schema:
    """The known columns, then those that only `arriving` has. Both in canonical types, without the partition column.

    Errors: `SchemaMismatch` when a column arrives with another type than the table's.
    """
    if PARTITION_COLUMN in arriving.names:
        raise SchemaMismatch(
            f"{table}: rows must not have a column {PARTITION_COLUMN}; the lake fills it in. Rename it."
        )
    if told := changed_types(known, arriving):
        raise SchemaMismatch(f"{table}: {told} Nothing was written.")
    new = [pa.field(field.name, field.type) for field in arriving if field.name not in known.names]
    merged = pa.schema([pa.field(field.name, field.type) for field in known] + new)
    _check_case(table, merged.names)
    return merged


def changed_types(known: pa.Schema, arriving: pa.Schema) -> str:
    """What to say of columns that arrive with another type than the table's; "" where none does."""
    changed = [
        f"{field.name} is {known.field(field.name).type} in the table and arrives as {field.type}"
        for field in arriving
        if field.name in known.names and known.field(field.name).type != field.type
    ]
    if not changed:
        return ""
    return (
        f"{'; '.join(changed)}. A lake column keeps its type: correct the spec's `kind`, or give the column a new name."
    )


def _check_case(table: str, names: list[str]) -> None:
    """Delta Lake, and most engines that read it, don't tell upper and lower case apart."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SchemaMismatch(f"{table}: the columns {other} and {name} differ in case alone. Rename one of them.")
