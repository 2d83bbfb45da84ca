"""What every kernel keeps."""

import numpy as np

from bbopt.errors import UnsupportedError
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.kernels import Kernel
from bbopt.surrogates.kernels.kernel import Pool
from bbopt.surrogates.process import GaussianProcess
from bbopt.testing.parts.differences import assert_derivatives, differences, made, slope, unnamed, wave
from bbopt.types import FloatArray


class KernelContract:
    """What every kernel keeps: positive definite, all parts consistent, pullbacks that are derivatives."""

    def make(self) -> Kernel:
        """Return the kernel under test."""
        raise unnamed(self, "the kernel")

    def space(self) -> Space:
        """Return a space that it suits."""
        return Space([Real("x", 0, 1), Real("y", 0, 1), Categorical("kind", ["u", "v", "w"])])

    def _case(self, n: int) -> tuple[Covariance, FloatArray, FloatArray]:
        covariance = Covariance(self.space(), made(self.make()))
        prior = covariance.hyperprior
        draw = np.random.default_rng(0)
        theta = np.clip(prior.starts[1] + 0.3 * draw.standard_normal(len(prior)), prior.lower, prior.upper)
        return covariance, theta, covariance.space.project(draw.random((n, covariance.space.d)))

    def test_the_prior_is_complete(self) -> None:
        """Names, bounds and starts belong together."""
        covariance, _, _ = self._case(1)
        prior = covariance.hyperprior
        p = len(prior.names)
        assert len(prior.mu) == len(prior.sigma) == p, "hyperprior: names, mu and sigma differ in length"
        assert prior.starts.shape == (3, p), f"hyperprior: starts must be (3, {p}), got {prior.starts.shape}"
        inside = (prior.lower <= prior.starts) & (prior.starts <= prior.upper)
        assert inside.all(), "hyperprior: starts must lie between lower and upper"
        assert (prior.sigma > 0).all(), f"hyperprior: sigma must be above 0, got {prior.sigma}"

    def test_covariances_are_positive_definite_and_agree(self) -> None:
        """Gram, cross and diagonal are one function, however points are joined."""
        covariance, theta, X = self._case(30)
        placed, _ = covariance.place_points(theta, X)
        lower, _ = placed.gram(Pool(30))
        K = np.tril(lower) + np.tril(lower, -1).T
        least = np.linalg.eigvalsh(K).min()
        assert least > -1e-8 * np.abs(K).max(), (
            f"not positive definite: the covariance of 30 points has the eigenvalue {least:.3g}"
        )
        cross, diagonal = placed.cross(placed)[0], placed.diagonal()[0]
        np.testing.assert_allclose(cross, K, atol=1e-7, err_msg="cross is not gram")
        np.testing.assert_allclose(diagonal, np.diag(K), atol=1e-12, err_msg="diagonal is not that of gram")
        first, second = (covariance.place_points(theta, part)[0] for part in (X[:20], X[20:]))
        joined = np.tril(first.join(second).gram(Pool(30))[0])
        np.testing.assert_allclose(joined, np.tril(K), atol=1e-12, err_msg="joined points are not as one")

    def test_pullbacks_are_derivatives(self) -> None:
        """Of the gram matrix in the hyper-parameters; of covariances in the points."""
        covariance, theta, X = self._case(8)
        draw = np.random.default_rng(1)
        G = draw.standard_normal((8, 8))
        G = G + G.T

        def total(theta: FloatArray) -> FloatArray:
            k = covariance.place_points(theta, X)[0].gram(Pool(8))[0]
            return np.asarray((G * (np.tril(k) + np.tril(k, -1).T)).sum())

        numeric = np.array([slope(total, theta, e) for e in np.eye(len(theta))])
        gradient, _ = covariance.place_points(theta, X)[0].gram(Pool(8))[1](G.copy())
        of_profile = "where a Profile is used, the second output of its formula must be -2 dk/du"
        assert_derivatives(gradient, numeric, f"gram's pullback to hyper-parameters; {of_profile}")

        at = covariance.space.project(draw.uniform(0.1, 0.9, (4, X.shape[1])))
        W, w = draw.standard_normal((4, 8)), draw.standard_normal(4)
        data = covariance.place_points(theta, X)[0]

        def values(points: FloatArray) -> FloatArray:
            placed, _ = covariance.place_points(theta, points)
            return np.asarray((W * placed.cross(data)[0]).sum(axis=1) + w * placed.diagonal()[0])

        placed, to_X = covariance.place_points(theta, at)
        gradient = to_X(placed.cross(data)[1](W) + placed.diagonal()[1](w))
        moves = ~np.asarray(covariance.space.is_categorical)
        numeric = differences(values, at)
        what = f"the pullbacks of cross and diagonal to points; {of_profile}"
        assert_derivatives(gradient[:, moves], numeric[:, moves], what)

    def test_random_features_have_the_kernel_as_their_expectation(self) -> None:
        """Within Monte Carlo error, and with a pullback; a kernel without any says so by UnsupportedError."""
        covariance, theta, X = self._case(6)
        placed, to_X = covariance.place_points(theta, X)
        k, _ = placed.cross(placed)
        try:
            maps = [placed.random_features(128, Key(i).generator()) for i in range(200)]
        except UnsupportedError:
            return
        products = np.array([phi @ phi.T for phi, _ in (features(placed) for features in maps)])
        error = products.std(axis=0) / np.sqrt(len(maps))
        off = np.abs(products.mean(axis=0) - k)
        assert (off < 5 * error + 1e-9).all(), "E[phi phi'] is not k"
        again = placed.random_features(128, Key(0).generator())(placed)[0]
        np.testing.assert_array_equal(again, maps[0](placed)[0])

        weights = np.random.default_rng(2).standard_normal((6, 128))

        def values(points: FloatArray) -> FloatArray:
            phi, _ = maps[0](covariance.place_points(theta, points)[0])
            return np.asarray((weights * phi).sum(axis=1))

        moves = ~np.asarray(covariance.space.is_categorical)
        gradient = to_X(maps[0](placed)[1](weights))
        numeric = differences(values, X)
        assert_derivatives(gradient[:, moves], numeric[:, moves], "the pullback of random features")

    def test_lengths_are_given(self) -> None:
        """One a column of the space, above 0; infinite where it does not change."""
        covariance, theta, _ = self._case(1)
        lengths = made(self.make()).lengths(covariance.features, theta)
        d = covariance.space.d
        assert lengths.shape == (d,), f"lengths must be ({d},), one a column, got {lengths.shape}"
        assert (lengths > 0).all(), f"lengths must be above 0, got {lengths}"

    def test_a_process_can_be_fitted_with_it(self) -> None:
        """To ordinary outcomes, to constant ones, and to a single one."""
        covariance, _, X = self._case(20)
        fit = GaussianProcess(kernel=made(self.make()))
        for n, y in ((20, wave(X)), (20, np.full(20, 3.0)), (1, np.ones(1))):
            model, _ = fit.fit(covariance.space, X[:n], y)
            mean, sd = model.predict(X)
            assert np.isfinite([mean, sd]).all(), f"a fit to {n} outcomes predicts what is not finite"
