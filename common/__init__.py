"""Utilities that every package needs: whole files with checksums, and rules for what a file may import. No
torch."""
