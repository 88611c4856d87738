"""The `pushgrad` commands that need arrays or networks; cli.py names them all."""
