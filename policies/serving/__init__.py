"""Policies in processes of their own, ours and foreign."""
