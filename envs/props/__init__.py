"""Furniture of the tasks: objects, the table, drawers, knobs, and where they are put."""
