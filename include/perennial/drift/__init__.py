"""How far a window of data lies from what its model considers normal."""
