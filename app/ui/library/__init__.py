"""The Library: episodes of a dataset as a grid, and one of them opened on one cursor."""
