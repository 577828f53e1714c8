"""Rollouts of the simulated station as fast as the machine can: no processes, no real time."""
