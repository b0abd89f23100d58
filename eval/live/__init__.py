"""The live page: a person types what a robot should do, watches it, pushes things, and swaps the policy."""
