"""How much audio Whisper is shown around an utterance.

Its encoder takes fewer frames than the 30 s that it was trained with if told so (CTranslate2 PR 1446), at a cost
that grows faster than linear. Of too little the decoder sees no silence to stop at, and says its last phrase again.
"""

import math

LEAST_S, MOST_S = 10, 30
MARGIN_S = 2


def context_s(seconds: float) -> int:
    """Whole seconds of context for an utterance, so that those of about one length share a batch."""
    return min(max(LEAST_S, math.ceil(seconds) + MARGIN_S), MOST_S)
