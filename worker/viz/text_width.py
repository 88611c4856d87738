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
_SIZE = 12.0  # pixels
_BOLD = 1.07  # bold letters are wider by up to that
_OTHERS = 1000  # letters of other scripts may be square


def text_width(text: str, bold: bool = False) -> float:
    """The width in pixels of a text in letters of 12 pixels."""
    thousandths = sum(_WIDTHS.get(letter, 556) if letter.isascii() else _OTHERS for letter in text)
    return thousandths * _SIZE / 1000 * (_BOLD if bold else 1.0)
