"""`python -m perennial.cli`, for where the installed command is not on the path."""

from perennial.cli.main import main

main()
