"""
The push engine: layers from a source into a repository, in parts, in constant memory, resumable.

A layer flows through two threads. One reads ahead, encodes, hashes and cuts parts (`stream`, `encoder`, `sha256`,
`production`, `read_ahead`); the other sends them in order and keeps the place (`layer`). `layers` runs several layers
at once. Nothing here knows of messages, leases or tables: `push` gives jobs and keeps the progress that comes back.
"""
