"""The registry HTTP API V2 of one registry, over the same operations as the JSON API."""
