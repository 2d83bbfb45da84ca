"""Where many acquisitions are largest, each over its own unit box: the search of ``maximizers.multistart``.

Starts are chosen by the same code, on the host, so that a data set gets the same ones wherever it is worked
on; what is scored and climbed, of all data sets at once, is on the device. Continuous columns only: levels,
conditions and known constraints stay with the CPU path.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bbopt.batched.dispatch import restarts
from bbopt.batched.gp import BatchedLogEI
from bbopt.batched.lbfgs import minimize_batch
from bbopt.data.history import keys
from bbopt.errors import SpaceExhausted
from bbopt.maximizers.candidates import candidates, spread_out
from bbopt.maximizers.climb import GRADIENT_TOLERANCE, VALUE_TOLERANCE
from bbopt.maximizers.multistart import RAW
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.types import FloatArray

MOST_ROUNDS = 200


def maximize(
    acquisition: BatchedLogEI,
    spaces: Sequence[Space],
    scale: FloatArray,
    incumbents: Sequence[FloatArray],
    exclude: Sequence[FloatArray],
    rngs: Sequence[Key],
    *,
    raw: int = RAW,
) -> tuple[FloatArray, FloatArray]:
    """Return the best point found for each of S acquisitions, (S, d), and its values (S,).

    Parameters
    ----------
    acquisition : BatchedLogEI
        Its features are the columns of the spaces.
    spaces : sequence of Space
        Boxes of d continuous columns.
    scale : array (S, d)
        Lengths over which each process changes, at most 1.
    incumbents, exclude : sequences of arrays (k, d)
        Points worth starting from, at least one; points never to return.
    rngs : sequence of Key
    raw : int
        How many points are sampled for each.

    Raises
    ------
    SpaceExhausted
        When every point found is excluded.
    """
    sets = [
        candidates(space, lengths, near, None, rng, raw)
        for space, lengths, near, rng in zip(spaces, scale, incumbents, rngs, strict=True)
    ]
    X = np.stack([points[np.arange(max(map(len, sets))) % len(points)] for points in sets])
    values = acquisition.value(torch.as_tensor(X, device=acquisition.best.device)).cpu().numpy()
    count = restarts(X.shape[2])
    chosen = [
        np.resize(spread_out(*one, count), count) if np.isfinite(one[1]).any() else np.arange(count)
        for one in zip(X, values, scale, strict=True)
    ]
    refined, refined_values = _climb(
        acquisition, np.take_along_axis(X, np.stack(chosen)[..., None], 1), scale
    )
    pool, pool_values = np.concatenate([refined, X], 1), np.concatenate([refined_values, values], 1)
    best = [_best_new(*one) for one in zip(pool, pool_values, exclude, strict=True)]
    rows = np.arange(len(best))
    return pool[rows, best], pool_values[rows, best]


def _climb(acquisition: BatchedLogEI, starts: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Move all starts (S, k, d) by L-BFGS in units of the length-scales; return them and values (S, k)."""
    S, k, d = starts.shape
    device = acquisition.best.device
    unit = torch.as_tensor(np.repeat(scale, k, axis=0), device=device)
    resting = torch.as_tensor(starts, device=device).reshape(S * k, d)

    def loss(Z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        at = resting.clone()  # starts that have ended keep their seats: the shape stays
        at[rows] = Z * unit[rows]
        value, gradient = acquisition.value_and_grad(at.reshape(S, k, d))
        return -value.reshape(-1)[rows], -gradient.reshape(-1, d)[rows] * unit[rows]

    Z, loss_values = minimize_batch(
        loss,
        resting / unit,
        torch.zeros_like(unit),
        1.0 / unit,
        torch.arange(S, device=device).repeat_interleave(k),
        gradient_tolerance=torch.full((S * k,), GRADIENT_TOLERANCE, dtype=unit.dtype, device=device),
        value_tolerance=torch.full((S * k,), VALUE_TOLERANCE, dtype=unit.dtype, device=device),
        rounds=torch.full((S * k,), MOST_ROUNDS, device=device),
    )
    moved = (Z * unit).clamp(0.0, 1.0)
    return moved.reshape(S, k, d).cpu().numpy(), -loss_values.reshape(S, k).cpu().numpy()


def _best_new(X: FloatArray, values: FloatArray, exclude: FloatArray) -> int:
    """Return the row with the largest finite value that is not among the excluded points."""
    seen, names = set(keys(exclude)), keys(X)
    for i in np.argsort(-values, kind="stable").tolist():
        if values[i] > -np.inf and names[i] not in seen:
            return int(i)
    raise SpaceExhausted("found no point that was not asked before")
