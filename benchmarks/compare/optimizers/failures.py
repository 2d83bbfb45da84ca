"""For libraries that know no failed runs: these count as the worst value so far."""

import math


class Failures:
    """Holds failed runs back until a run has succeeded, then gives them the worst value so far."""

    def __init__(self):
        self.held, self.worst = [], -math.inf

    def settle(self, asked, results):
        """Return what can be told now, a list of (what was asked, value, whether it failed)."""
        settled = []
        for one, (_, value) in zip(asked, results, strict=True):
            if value is None:
                self.held.append(one)
            else:
                self.worst = max(self.worst, value)
                settled.append((one, value, False))
        if self.worst > -math.inf:
            settled += [(one, self.worst, True) for one in self.held]
            self.held = []
        return settled
