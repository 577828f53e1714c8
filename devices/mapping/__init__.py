"""From what hands do to what joints shall do."""
