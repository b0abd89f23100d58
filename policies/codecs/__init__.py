"""One action codec a file; the folder's listing is the registry."""
