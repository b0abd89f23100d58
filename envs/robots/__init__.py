"""One robot a file; the folder's listing is the registry."""
