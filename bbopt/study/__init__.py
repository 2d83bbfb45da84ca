"""The study, its journal, and the loop that runs it."""
