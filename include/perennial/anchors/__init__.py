"""Where the ends of the ledger's chains are written down, outside of the ledger's database."""
