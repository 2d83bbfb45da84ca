"""Models of the objective, fitted to what was told."""
