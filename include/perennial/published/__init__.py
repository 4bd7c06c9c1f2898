"""The tables that consumers of predictions query."""
