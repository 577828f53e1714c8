"""Episodes on disk and all that is done to them without a robot."""

# Tells this package from Hugging Face's of the same import name (see app.cli).
__teledeck__ = True
