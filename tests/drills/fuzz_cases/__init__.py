"""What is read when it is spoiled: modules with a dictionary CASES each; a further case is an entry."""
