"""How wide a text is in Helvetica and Arial, which have the same widths: an SVG is laid out before it is shown."""

from __future__ import annotations

# Thousandths of the font size, from Adobe's metrics of Helvetica; small letters, digits and _ are 556 but for these.
_WIDTHS = {
    **dict.fromkeys("ijl", 222),
    **dict.fromkeys("ft ,./()[]:", 278),
    **dict.fromkeys("r-", 333),
    **dict.fromkeys("ckvxyszJ", 500),
    **dict.fromkeys("FTZ", 611),
    **dict.fromkeys("ABEKPSVXY", 667),
    **dict.fromkeys("CDHNRUw", 722),
    **dict.fromkeys("GOQ", 778),
    **dict.fromkeys("mM", 833),
    "I": 278,
    "W": 944,
}
_BOLD = 1.07  # bold letters are wider by up to that
_OTHERS = 1.0  # of the font size: letters of other scripts may be square


def text_width(text: str, size: float = 12.0, bold: bool = False) -> float:
    """The width in pixels of a text in letters of `size` pixels."""
    thousandths = sum(_WIDTHS.get(letter, 556) if letter.isascii() else 1000 * _OTHERS for letter in text)
    return thousandths * size / 1000 * (_BOLD if bold else 1.0)
