"""What `assemble` is made of: which windows have labels enough, and what is told about those left out."""
