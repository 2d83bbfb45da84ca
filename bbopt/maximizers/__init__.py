"""From an acquisition to the points that maximise it."""
