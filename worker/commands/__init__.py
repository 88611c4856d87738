"""The `pushgrad` commands that need arrays or networks; cli.py lists all commands and imports one when it is called."""
