"""Props of the tasks: objects, table, drawers, knobs, and their placement."""
