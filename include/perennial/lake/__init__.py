"""Tables of rows, partitioned by window, whose old versions stay readable."""
