"""What a screen or a script needs to know of a run. No Qt."""
