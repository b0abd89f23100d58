"""One action representation a file; the folder's listing is the registry."""
