"""Furniture and tasks around the simulated robot, one scene a file."""
