"""Tests that anyone's method can inherit."""
