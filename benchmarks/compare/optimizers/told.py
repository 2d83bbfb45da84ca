"""What the loops on BoTorch share: an initial Sobol design, and the results as tensors."""

import torch


class Told:
    """An initial design, and the results told so far.

    Parameters
    ----------
    cube : Cube
        Where the results lie for the model.
    n_initial : int
        Sobol points before the first model; more where none of them succeeded.
    seed : int
    """

    def __init__(self, cube, n_initial, seed):
        self.cube = cube
        self.n_initial = n_initial
        self.rows, self.outcomes = [], []
        self._sobol = torch.quasirandom.SobolEngine(cube.d, scramble=True, seed=seed)

    @property
    def is_designing(self):
        """Whether the next points are of the initial design."""
        return len(self.rows) < self.n_initial or not any(value is not None for value in self.outcomes)

    @property
    def best(self):
        """The lowest value so far."""
        return min(value for value in self.outcomes if value is not None)

    def design(self, n):
        """Return the next n points of the design."""
        return [self.cube.decode(row) for row in self._sobol.draw(n, dtype=torch.double)]

    def add(self, results):
        """Add results, each (params, value or None)."""
        for params, value in results:
            self.rows.append(self.cube.encode(params))
            self.outcomes.append(value)

    def data(self):
        """Return X (n, d) and what is maximised (n, 1), where failed runs have the worst value so far."""
        worst = max(value for value in self.outcomes if value is not None)
        outcomes = [-(worst if value is None else value) for value in self.outcomes]
        X, y = (torch.tensor(part, dtype=torch.double) for part in (self.rows, outcomes))
        return X, y[:, None]
