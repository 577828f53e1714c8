"""Descriptions of robots: joints, limits, frames. No physics state."""
