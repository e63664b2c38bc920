"""Loggers that also count."""
