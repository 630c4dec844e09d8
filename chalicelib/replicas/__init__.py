"""Where an image must arrive, whether it did, why not, and how it is brought there."""
