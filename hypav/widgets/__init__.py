"""What a reader moves: figures with sliders, which remain figures where nothing can be moved."""

from hypav.widgets.alignment import alignment_explorer
from hypav.widgets.curvature import curvature_explorer
from hypav.widgets.embeddings import embedding_explorer
from hypav.widgets.explorer import Choice, Control, Explorer
from hypav.widgets.four_points import four_point_explorer
from hypav.widgets.geometries import geometries_explorer
from hypav.widgets.zero_shot import beta_explorer

__all__ = [
    "Choice",
    "Control",
    "Explorer",
    "alignment_explorer",
    "beta_explorer",
    "curvature_explorer",
    "embedding_explorer",
    "four_point_explorer",
    "geometries_explorer",
]
