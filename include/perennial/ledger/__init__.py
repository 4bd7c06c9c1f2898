"""The ledger: an append-only record of what happened, and the locks that keep it linear."""
