"""How an upload ends and what is kept of it."""
