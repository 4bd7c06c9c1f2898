"""Why a file can't be read: the system could not deliver it, or its bytes are damaged."""

from perennial.errors import PerennialError, SchemaMismatch, SourceUnavailable
from perennial.spec.problems import shown


def unreadable(origin: str, error: OSError) -> PerennialError:
    """`SourceUnavailable` when the system could not read the file, `SchemaMismatch` when what it read is damaged.

    Arrow raises `OSError` for both; only the system's own has a number. Reading damaged bytes again is of no use.
    """
    if error.errno is None:
        return SchemaMismatch(
            f"{origin}: is damaged, or packed in another way than its name says: {shown(str(error), 300)}. "
            "Deliver the file again, whole."
        )
    return SourceUnavailable(f"{origin} can't be read: {shown(str(error), 300)}. Check that it is there and readable.")
