"""Recording of demonstrations."""
