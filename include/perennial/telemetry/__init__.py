"""What monitoring systems are told: gauges about every use case, computed from the ledger when they are asked for."""
