"""What moves, senses and ticks: the vocabulary that everyone speaks, and the drivers."""
