"""Models in formats that other systems read, and how far what comes out there is the same."""
