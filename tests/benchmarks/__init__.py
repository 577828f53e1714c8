"""Measurements. Each module prints its own table: `python -m tests.benchmarks.rings`."""
