"""Programs that stand in for those that a driver runs."""

import stat
from pathlib import Path


def write_program(path: Path, text: str) -> str:
    """Write a program, and return its path."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
