"""Studies: grids of trainings, run and summed up. What a study's file needs is imported from here."""

from .definition import WITH_CONTROLS as WITH_CONTROLS
from .definition import Cell as Cell
from .definition import Point as Point
from .definition import Study as Study
from .definition import load as load
from .definition import pick_point as pick_point
