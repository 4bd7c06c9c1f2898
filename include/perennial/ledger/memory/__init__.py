"""The ledger in memory: the twin of the one in PostgreSQL, held to it by the contract suite."""
