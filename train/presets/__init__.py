"""Named runs: one preset a file, a function that returns a full configuration."""
