"""Randomness as keys: every draw is a pure function of (seed, what is decided, its number).

A :class:`Key` is a path of words and numbers below a seed. No generator is ever stored, so a
process that starts anew after a crash draws exactly what the old one would have drawn.
"""

import secrets
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from bbopt.types import FloatArray


def draw_seed() -> int:
    """Return a fresh seed in [0, 2^53) from the operating system."""
    return secrets.randbits(53)


@dataclass(frozen=True, slots=True)
class Key:
    """A place in the tree of random streams below ``seed``.

    Parameters
    ----------
    seed : int
        Any integer.
    path : tuple of str or int
        What is decided, and its number: ``Key(0).child("generation", 3)``.
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def child(self, *steps: str | int) -> "Key":
        """Return the key further down the tree."""
        plain = tuple(step if isinstance(step, str) else int(step) for step in steps)
        return Key(self.seed, self.path + plain)

    def digest(self) -> int:
        """Return 128 bits that depend on seed and path alone, on every machine."""
        text = repr((int(self.seed), *self.path))
        return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "little")

    def generator(self) -> np.random.Generator:
        """Return a new generator; two calls return generators with equal streams."""
        return np.random.Generator(np.random.Philox(key=self.digest()))

    def uniform_rows(self, start: int, n: int, d: int) -> FloatArray:
        """Return rows ``start .. start + n`` of one endless uniform table, shape (n, d).

        Row k is the same whether it is drawn alone or in a block: draws keyed by trial number
        at the price of a block.
        """
        width = -(-d // 4) * 4  # Philox makes four doubles a step
        bits = np.random.Philox(key=self.digest())
        bits.advance(start * (width // 4))
        return np.random.Generator(bits).random((n, width))[:, :d]
