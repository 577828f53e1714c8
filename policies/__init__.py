"""Observation window → action chunk. Nothing is here yet."""
