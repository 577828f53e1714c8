"""Input devices: the window, a gamepad, a script, a replay."""
