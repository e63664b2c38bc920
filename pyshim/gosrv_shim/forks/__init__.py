"""Copies of a process that are more than a worker: what they begin as, and what a fork leaves behind. Loaded where they are made."""
