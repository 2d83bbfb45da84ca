"""What was asked and told: trials, and the history that holds them."""
