"""Recording, training and the command line."""
