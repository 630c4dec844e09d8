"""The nouns of the image specifications: pure values that cannot be constructed wrong."""
