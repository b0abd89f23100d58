"""Simulation processes: one protocol, one worker and one pool for everything that plays episodes."""
