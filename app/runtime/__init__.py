"""The processes of a run and what they say to each other."""
