"""Pages: the only files that write HTML or SVG."""
