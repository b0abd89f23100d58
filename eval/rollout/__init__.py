"""Plays episodes: processes that simulate, batched inference, what is collected of both."""
