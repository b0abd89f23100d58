"""What a study shows: the same over several trainings. No HTML."""
