"""Scripted experts, one per file."""
