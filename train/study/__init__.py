"""Studies: grids of trainings, run and summed up."""
