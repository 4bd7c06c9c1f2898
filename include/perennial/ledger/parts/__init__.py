"""The parts of the ledger's port, each a set of questions for one use: `perennial.ledger.port.Ledger` is their sum."""
