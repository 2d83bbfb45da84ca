"""Strategies: what to try next. One protocol, one file a method."""
