"""Programs that start a server of their own."""
