"""Programs that are killed: one module each, which calls its case CASE. A further one is a further file."""
