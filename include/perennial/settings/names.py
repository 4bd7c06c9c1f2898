"""Names that settings and code share."""

LEDGER_CONNECTION = "perennial_ledger"
PUBLISHED_CONNECTION = "perennial_published"
LEDGER_READER, PUBLISHED_READER = f"{LEDGER_CONNECTION}_reader", f"{PUBLISHED_CONNECTION}_reader"
APPROVER_ROLES = ("Admin", "Approver")
