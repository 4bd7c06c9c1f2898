"""The system on one machine: embedded servers under one supervisor, and the demonstration that they play."""
