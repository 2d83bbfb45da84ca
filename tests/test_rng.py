"""Keys: same path, same draws, in any process and any order."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbopt.rng import Key, draw_seed


def test_equal_paths_draw_equally_and_others_do_not():
    draws = {
        path: tuple(Key(seed).child(*path).generator().random(3))
        for seed in (0,)
        for path in [(), ("a",), ("b",), ("a", 1), ("a", "1"), (1,), ("a", 1, 2), ("a", 12)]
    }
    assert len(set(draws.values())) == len(draws)
    assert tuple(Key(0).child("a").child(1).generator().random(3)) == draws[("a", 1)]
    assert tuple(Key(0).child("a", np.int64(1)).generator().random(3)) == draws[("a", 1)]
    assert tuple(Key(1).child("a", 1).generator().random(3)) != draws[("a", 1)]


def test_draws_are_philox_under_a_blake2b_key_in_every_process():
    from hashlib import blake2b

    digest = blake2b(repr((7, "x", 3)).encode(), digest_size=16).digest()
    reference = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little"))).random(5)
    np.testing.assert_array_equal(Key(7).child("x", 3).generator().random(5), reference)
    code = "from bbopt.rng import Key; print(repr(Key(7).child('x', 3).generator().random(5).tolist()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(reference.tolist())


@given(st.integers(0, 10**9), st.integers(1, 40), st.integers(1, 9), st.integers(0, 39))
def test_rows_are_the_same_alone_and_in_a_block(start, n, d, k):
    k %= n
    block = Key(3).uniform_rows(start, n, d)
    assert block.shape == (n, d)
    np.testing.assert_array_equal(Key(3).uniform_rows(start + k, 1, d)[0], block[k])


def test_rows_are_uniform_and_independent():
    U = Key(5).uniform_rows(0, 20_000, 3)
    np.testing.assert_allclose(U.mean(axis=0), 0.5, atol=0.01)
    np.testing.assert_allclose(np.cov(U.T), np.eye(3) / 12, atol=0.003)
    assert abs(np.corrcoef(U[:-1, 0], U[1:, 0])[0, 1]) < 0.02


def test_drawn_seeds_differ_and_fit_json():
    seeds = {draw_seed() for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**53 for seed in seeds)


@pytest.mark.parametrize("seed", [0, -1, 2**200])
def test_any_integer_is_a_seed(seed):
    assert 0 <= Key(seed).generator().random() < 1
