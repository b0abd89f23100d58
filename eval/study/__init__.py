"""Analysis of studies: comparisons over several trainings. No HTML."""
