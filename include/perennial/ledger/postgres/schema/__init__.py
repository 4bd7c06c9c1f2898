"""The tables of the ledger, how they came to be, and who may read them."""
