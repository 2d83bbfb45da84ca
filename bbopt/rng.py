"""Randomness as keys: every draw is a pure function of (seed, what is decided, its number).

A :class:`Key` is a path of words and numbers below a seed. No generator is ever stored, so a
process that starts anew after a crash draws exactly what the old one would have drawn.
"""

import secrets
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from bbopt.types import FloatArray


def draw_seed() -> int:
    """Return a fresh seed in [0, 2^53) from the operating system."""
    return secrets.randbits(53)


class _Words(ISeedSequence):
    """128 bits as the key of a Philox; ``Philox(key=...)`` would also ask the system for entropy."""

    def __init__(self, digest: bytes) -> None:
        self._words = np.frombuffer(digest, "<u8").astype(np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[np.uint64]:
        """Return the words: Philox asks for two of 64 bits."""
        return self._words


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

    def philox(self) -> np.random.Philox:
        """Return a new counter-based bit generator whose key is the digest of seed and path."""
        text = repr((int(self.seed), *self.path))
        return np.random.Philox(_Words(blake2b(text.encode(), digest_size=16).digest()))  # type: ignore[arg-type]

    def generator(self) -> np.random.Generator:
        """Return a new generator; two calls return generators with equal streams."""
        return np.random.Generator(self.philox())

    def uniform_rows(self, start: int, n: int, d: int) -> FloatArray:
        """Return rows ``start .. start + n`` of one endless uniform table, shape (n, d).

        Row k is the same whether it is drawn alone or in a block: draws keyed by trial number
        at the price of a block.
        """
        width = -(-d // 4) * 4  # Philox makes four doubles a step
        bits = self.philox()
        bits.advance(start * (width // 4))
        return np.random.Generator(bits).random((n, width))[:, :d]
