"""What putting an image takes and leads to."""
