"""Studies: grids of trainings, run and summarized. Study files import what they need from here."""

from ...eval.study.factors import Factor as Factor
from .definition import WITH_CONTROLS as WITH_CONTROLS
from .definition import Cell as Cell
from .definition import Point as Point
from .definition import Study as Study
from .definition import load as load
from .definition import pick_point as pick_point
