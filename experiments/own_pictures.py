"""Drawn pictures of the things that `experiments.own_catalogue` sells: a kind, a colour and a pattern each.

The same three words give the same picture; nothing is read and nothing is random.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "red": (200, 48, 44),
        "orange": (232, 126, 36),
        "yellow": (238, 194, 48),
        "green": (62, 142, 72),
        "teal": (32, 150, 152),
        "blue": (48, 88, 190),
        "purple": (124, 66, 160),
        "pink": (232, 120, 164),
    }
)
PATTERNS = ("plain", "striped", "dotted", "checked")

SIDE = 240
"""Pixels of a side."""
_FINE = 2
"""Pixels that are drawn for one that is kept, along each side: edges become smooth."""
_DARK, _PAPER, _SHADOW = (58, 54, 52), (246, 244, 240), (222, 218, 211)


class Pen(NamedTuple):
    """Draws in hundredths of the side.

    Attributes:
        target: what is drawn on.
        ink: white for the parts that get the pattern, else a colour.
    """

    target: ImageDraw.ImageDraw
    ink: Colour | int

    def polygon(self, *corners: tuple[float, float]) -> None:
        """A filled polygon."""
        self.target.polygon([_pixels(corner) for corner in corners], fill=self.ink)

    def ellipse(self, left: float, top: float, right: float, bottom: float, *, ring: float = 0) -> None:
        """A filled ellipse, or a ring of some width."""
        box = [_pixels((left, top)), _pixels((right, bottom))]
        if ring:
            self.target.ellipse(box, outline=self.ink, width=round(ring * _FINE * SIDE / 100))
        else:
            self.target.ellipse(box, fill=self.ink)

    def box(self, left: float, top: float, right: float, bottom: float, *, round_by: float = 0) -> None:
        """A filled rectangle with round corners."""
        self.target.rounded_rectangle(
            [_pixels((left, top)), _pixels((right, bottom))], round_by * _FINE * SIDE / 100, fill=self.ink
        )

    def line(self, *points: tuple[float, float], width: float) -> None:
        """A line through points."""
        self.target.line(
            [_pixels(point) for point in points], fill=self.ink, width=round(width * _FINE * SIDE / 100), joint="curve"
        )


def _pixels(point: tuple[float, float]) -> tuple[float, float]:
    return (point[0] * _FINE * SIDE / 100, point[1] * _FINE * SIDE / 100)


def _mug(body: Pen, detail: Pen) -> None:
    body.ellipse(58, 40, 86, 70, ring=6)
    body.box(24, 30, 70, 80, round_by=6)
    detail.ellipse(24, 25, 70, 36)


def _vase(body: Pen, detail: Pen) -> None:
    body.polygon((42, 20), (58, 20), (56, 38), (44, 38))
    body.ellipse(26, 34, 74, 82)
    body.box(36, 74, 64, 84, round_by=2)
    detail.ellipse(41, 17, 59, 23)


def _lamp(body: Pen, detail: Pen) -> None:
    detail.line((50, 48), (50, 82), width=4)
    detail.box(34, 80, 66, 85, round_by=2)
    body.polygon((36, 18), (64, 18), (78, 52), (22, 52))


def _cushion(body: Pen, detail: Pen) -> None:
    body.polygon((18, 24), (50, 30), (82, 24), (76, 52), (82, 82), (50, 76), (18, 82), (24, 52))
    detail.ellipse(47, 50, 53, 56)


def _clock(body: Pen, detail: Pen) -> None:
    body.ellipse(18, 18, 82, 82)
    Pen(detail.target, _PAPER).ellipse(32, 32, 68, 68)
    detail.line((50, 50), (50, 37), width=3)
    detail.line((50, 50), (60, 56), width=3)


def _plate(body: Pen, detail: Pen) -> None:
    body.ellipse(10, 42, 90, 84)
    Pen(detail.target, _PAPER).ellipse(30, 53, 70, 73)


def _bag(body: Pen, detail: Pen) -> None:
    detail.ellipse(35, 14, 65, 56, ring=3)
    body.polygon((22, 36), (78, 36), (84, 84), (16, 84))


def _umbrella(body: Pen, detail: Pen) -> None:
    detail.line((50, 46), (50, 80), (56, 85), (61, 80), width=3)
    body.target.pieslice([_pixels((10, 16)), _pixels((90, 92))], 180, 360, fill=body.ink)
    detail.line((50, 12), (50, 17), width=3)


KINDS: Mapping[str, Callable[[Pen, Pen], None]] = MappingProxyType(
    {
        "mug": _mug,
        "vase": _vase,
        "lamp": _lamp,
        "cushion": _cushion,
        "clock": _clock,
        "plate": _plate,
        "bag": _bag,
        "umbrella": _umbrella,
    }
)
"""Kind to what draws it: the parts that get the pattern, and the parts that do not."""


def draw_picture(*, kind: str, colour: str, pattern: str) -> Image.Image:
    """Draws a thing.

    Args:
        kind: one of `KINDS`.
        colour: one of `COLOURS`.
        pattern: one of `PATTERNS`.

    Returns:
        RGB, `SIDE` pixels wide and high.
    """
    size = (_FINE * SIDE, _FINE * SIDE)
    picture = Image.new("RGB", size, _PAPER)
    Pen(ImageDraw.Draw(picture), _SHADOW).ellipse(14, 78, 86, 92)
    mask, details = Image.new("L", size), Image.new("RGB", size, (0, 0, 0))
    KINDS[kind](Pen(ImageDraw.Draw(mask), 255), Pen(ImageDraw.Draw(details), _DARK))
    picture.paste(_fabric(COLOURS[colour], pattern), mask=mask)
    picture.paste(details, mask=details.convert("L").point(lambda value: 255 if value else 0))
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


@cache
def _fabric(colour: Colour, pattern: str) -> Image.Image:
    """A whole picture of the pattern."""
    size = (_FINE * SIDE, _FINE * SIDE)
    red, green, blue = colour
    fabric, light = Image.new("RGB", size, colour), ((red + 510) // 3, (green + 510) // 3, (blue + 510) // 3)
    steps = range(0, 100, 12)
    upright, level, dots = Image.new("L", size), Image.new("L", size), Image.new("L", size)
    for row, place in enumerate(steps):
        Pen(ImageDraw.Draw(upright), 255).box(place, 0, place + 6, 100)
        Pen(ImageDraw.Draw(level), 255).box(0, place, 100, place + 6)
        for left in steps:
            start = left + (6 if row % 2 else 0)
            Pen(ImageDraw.Draw(dots), 255).ellipse(start, place, start + 6, place + 6)
    match pattern:
        case "striped":
            fabric.paste(light, mask=upright)
        case "dotted":
            fabric.paste(light, mask=dots)
        case "checked":
            for bands in (upright, level):
                fabric.paste(light, mask=bands.point([value // 2 for value in range(256)]))
    return fabric


__all__ = ["COLOURS", "KINDS", "PATTERNS", "SIDE", "draw_picture"]
