"""The training page: a queue of trainings, their curves, and what to train next."""
