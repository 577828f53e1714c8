"""Collect: drive the robot, feel the contact on the screen, record demonstrations."""
