"""S3's objects: their bytes on disk, conditional and ranged reads, streaming writes, notifications."""
