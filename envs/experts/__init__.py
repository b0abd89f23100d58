"""One scripted expert a file."""
