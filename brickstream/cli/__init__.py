"""The command line."""

from brickstream.cli.app import main

__all__ = ["main"]
