"""A picture for a product that has none: a quiet pattern drawn from its code alone.

The records' photographs are not shown: their addresses lead to other people's servers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedenv.seeding import index_for

SIZE = 120
_HUES = (12, 28, 44, 88, 140, 168, 190, 210, 232, 262, 318, 342)


def picture(name: str) -> str:
    """Return an inline SVG; equal names give equal pictures.

    Args:
        name: A product code; only its hash is used, so any text is safe.
    """

    def draw(part: str, choices: int) -> int:
        return index_for(choices, "shopsite", "picture", name, part)

    hue = _HUES[draw("hue", len(_HUES))]
    second = (hue + (24, 40, 160, 200)[draw("second", 4)]) % 360
    colors = (f"hsl({hue} 42% 72%)", f"hsl({second} 40% 60%)", f"hsl({hue} 38% 48%)")
    shapes = _PATTERNS[draw("pattern", len(_PATTERNS))](colors, draw)
    return (
        f'<svg viewBox="0 0 {SIZE} {SIZE}" aria-hidden="true" focusable="false" '
        'preserveAspectRatio="xMidYMid slice">'
        f'<rect width="{SIZE}" height="{SIZE}" fill="hsl({hue} 45% 91%)"/>{shapes}</svg>'
    )


_Draw = Callable[[str, int], int]


def _circle(x: int, y: int, radius: int, color: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}" fill-opacity=".85"/>'


def _sun(colors: Sequence[str], draw: _Draw) -> str:
    x, y = 30 + draw("x", 60), 30 + draw("y", 30)
    hill = f'<path d="M0 {84 + draw("h", 16)} Q60 {44 + draw("k", 30)} 120 92 V120 H0Z" '
    return _circle(x, y, 20, colors[0]) + f'{hill}fill="{colors[1]}" fill-opacity=".85"/>'


def _arches(colors: Sequence[str], draw: _Draw) -> str:
    x = 48 + draw("x", 24)
    return "".join(
        f'<path d="M{x - r} 120 V{96 - r // 2} a{r} {r} 0 0 1 {2 * r} 0 V120Z" fill="{color}"/>'
        for r, color in zip((44, 30, 16), colors, strict=True)
    )


def _discs(colors: Sequence[str], draw: _Draw) -> str:
    return "".join(
        _circle(28 + draw(f"x{i}", 64), 28 + draw(f"y{i}", 64), 34 - 9 * i, color)
        for i, color in enumerate(colors)
    )


def _leaves(colors: Sequence[str], draw: _Draw) -> str:
    turn = 30 * draw("turn", 12)
    return "".join(
        f'<path transform="rotate({turn + 60 * i} 60 60)" fill="{colors[i % 3]}" '
        'fill-opacity=".85" d="M60 60 Q38 34 60 10 Q82 34 60 60Z"/>'
        for i in range(6)
    )


def _quarters(colors: Sequence[str], draw: _Draw) -> str:
    return "".join(
        f'<path transform="translate({60 * (i % 2)} {60 * (i // 2)}) '
        f'rotate({90 * draw(f"q{i}", 4)} 30 30)" fill="{colors[draw(f"c{i}", 3)]}" '
        'd="M0 0 H60 A60 60 0 0 1 0 60Z"/>'
        for i in range(4)
    )


_PATTERNS = (_sun, _arches, _discs, _leaves, _quarters)
