"""The system tests' fixtures are in rig/fixtures.py, where mypy sees them: it knows one conftest alone."""

from rig.fixtures import module_work, say, work

__all__ = ["module_work", "say", "work"]
