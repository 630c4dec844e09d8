"""What an archive holds becomes what is to be done: where images go, which layers move, in which bundles."""
