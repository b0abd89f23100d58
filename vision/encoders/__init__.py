"""One image encoder a file; the folder's listing is the registry."""
