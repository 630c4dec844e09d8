"""Layers between plan and engine: how they are compressed, whether they are there, how far they are."""
