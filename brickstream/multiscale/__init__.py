"""What the data is, and what of it is in view. Pure NumPy: no I/O, no async, no GPU."""

from brickstream.multiscale import navigate
from brickstream.multiscale.affine import Affine
from brickstream.multiscale.array_likes import pyramid_of
from brickstream.multiscale.camera import Camera
from brickstream.multiscale.corners import corner_pixels, grow_to_chunks
from brickstream.multiscale.diff import PlanDiff, diff_plans
from brickstream.multiscale.dims import Dims, DimsAxis
from brickstream.multiscale.framing import directions_across
from brickstream.multiscale.levels import choose_level, level_errors
from brickstream.multiscale.local import LocalView, localize, pixel_window
from brickstream.multiscale.napari_rules import compute_multiscale_level, compute_multiscale_level_and_corners
from brickstream.multiscale.oblique import Oblique, find_oblique
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
from brickstream.multiscale.picture import picture_pyramid, plan_picture
from brickstream.multiscale.plan import Budget, LevelPlan, Plan, plan_view
from brickstream.multiscale.projections import Projection, project
from brickstream.multiscale.pyramid import Axis, Channel, Level, Pyramid
from brickstream.multiscale.region import Region
from brickstream.multiscale.slicing import SliceIndex, picture_dtype, resample, slice_index, thick_axes
from brickstream.multiscale.units import conversion
from brickstream.multiscale.view import View
from brickstream.multiscale.world import World

__all__ = [
    "Affine",
    "Axis",
    "Budget",
    "Camera",
    "Channel",
    "Collection",
    "Dataset",
    "Dims",
    "DimsAxis",
    "Document",
    "Image",
    "ImageLabel",
    "Level",
    "LevelPlan",
    "LocalView",
    "Member",
    "Oblique",
    "Plan",
    "PlanDiff",
    "Projection",
    "Pyramid",
    "Region",
    "SliceIndex",
    "View",
    "World",
    "choose_level",
    "compute_multiscale_level",
    "compute_multiscale_level_and_corners",
    "conversion",
    "corner_pixels",
    "diff_plans",
    "directions_across",
    "find_oblique",
    "grow_to_chunks",
    "level_errors",
    "localize",
    "navigate",
    "picture_dtype",
    "picture_pyramid",
    "pixel_window",
    "plan_picture",
    "plan_view",
    "project",
    "pyramid_of",
    "read_collection",
    "read_document",
    "read_metadata",
    "resample",
    "slice_index",
    "thick_axes",
]
