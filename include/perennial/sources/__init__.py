"""Where the rows of a window come from: PostgreSQL, files, S3."""
