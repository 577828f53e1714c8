"""Bricks that more than one policy is built of: networks, schedules, what a chunk is made into."""
