"""One noise-conditional action network a file; the folder's listing is the registry."""
