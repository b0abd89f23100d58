"""One connector a file; the folder's listing is the registry."""
