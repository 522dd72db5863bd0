"""Document lengths as Lucene stores them: rounded down to what one byte can hold.

Lengths below 40 are exact, longer ones keep four significant bits above 24
(``SmallFloat.intToByte4``).
"""

from __future__ import annotations

import numpy as np

_EXACT = 24  # lengths below it have a code of their own


def _decoded_lengths() -> np.ndarray:
    """Return the 256 lengths that Lucene's one-byte code can hold, ascending, int64."""
    codes = range(256 - _EXACT)
    floats = [c & 7 if c < 8 else (c & 7 | 8) << (c >> 3) - 1 for c in codes]
    return np.array([*range(_EXACT), *(_EXACT + value for value in floats)], dtype=np.int64)


LENGTHS = _decoded_lengths()
"""What a document's length can be once Lucene has stored it; int64, shape (256,)."""
LENGTHS.setflags(write=False)


def length_codes(lengths: np.ndarray) -> np.ndarray:
    """Return Lucene's code of each document length, uint8: the largest of ``LENGTHS`` not above it.

    Args:
        lengths: Numbers of tokens, non-negative integers.
    """
    return (np.searchsorted(LENGTHS, lengths, side="right") - 1).astype(np.uint8)
