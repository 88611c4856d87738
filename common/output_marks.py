"""The marks on a worker's standard output that tell `launch` where in the training its lines belong; none is shown.

    ESC ] pushgrad ; at ; 2 ; 150 BEL      what has been written belongs to steps up to 150 of fit 2, what follows not
    ESC ] pushgrad ; from ; 2 ; 150 BEL    what follows was written after that step, when the job was there before

worker/output_marks.py writes them, launch/repeats.py reads them.
"""

from __future__ import annotations

import re
from typing import Literal

BEGIN = b"\x1b]pushgrad;"
MARK = re.compile(re.escape(BEGIN) + rb"(at|from);([0-9]{1,18});([0-9]{1,18})\x07")
LONGEST = 64  # bytes of a mark

Place = tuple[int, int]  # fit, and how many of its steps are done


def mark(kind: Literal["at", "from"], place: Place) -> str:
    """One mark, as text."""
    return f"{BEGIN.decode()}{kind};{place[0]};{place[1]}\x07"
