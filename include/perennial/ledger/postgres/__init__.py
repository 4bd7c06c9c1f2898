"""The ledger in PostgreSQL: its database, its locks, and one module for each part of the port."""
