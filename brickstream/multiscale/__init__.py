"""What the data is, and what of it is in view. Pure NumPy: no I/O, no async, no GPU."""

from brickstream.multiscale.affine import Affine
from brickstream.multiscale.array_likes import pyramid_of
from brickstream.multiscale.camera import Camera
from brickstream.multiscale.diff import PlanDiff, diff_plans
from brickstream.multiscale.levels import choose_level
from brickstream.multiscale.local import LocalView, localize, pixel_window
from brickstream.multiscale.ome import (
    Collection,
    Dataset,
    Document,
    Image,
    ImageLabel,
    Member,
    read_collection,
    read_document,
    read_metadata,
)
from brickstream.multiscale.plan import Budget, LevelPlan, Plan, plan_view
from brickstream.multiscale.pyramid import Axis, Channel, Level, Pyramid
from brickstream.multiscale.region import Region
from brickstream.multiscale.view import View

__all__ = [
    "Affine",
    "Axis",
    "Budget",
    "Camera",
    "Channel",
    "Collection",
    "Dataset",
    "Document",
    "Image",
    "ImageLabel",
    "Level",
    "LevelPlan",
    "LocalView",
    "Member",
    "Plan",
    "PlanDiff",
    "Pyramid",
    "Region",
    "View",
    "choose_level",
    "diff_plans",
    "localize",
    "pixel_window",
    "plan_view",
    "pyramid_of",
    "read_collection",
    "read_document",
    "read_metadata",
]
