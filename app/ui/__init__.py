"""The window. PyQt6 lives here and nowhere else."""
