"""What a point is worth trying for, larger is better."""
