"""What kernels, surrogates and acquisitions keep, as tests: inherit a class, name your part, run pytest.

class TestMyKernel(KernelContract):
    def make(self):
        return MyKernel()
"""

import json
from typing import Any

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Real, Space
from bbopt.strategies.criteria import Situation
from bbopt.strategies.modelling import Fit
from bbopt.surrogates.covariance import Covariance
from bbopt.surrogates.kernels import Kernel
from bbopt.surrogates.kernels.kernel import Pool
from bbopt.surrogates.process import GaussianProcess
from bbopt.surrogates.surrogate import Surrogate
from bbopt.types import FloatArray

_STEP = 1e-6


def _differences(function: Any, X: FloatArray) -> FloatArray:
    """Return central differences (b, d) of a function of points (b, d) whose rows do not mix."""
    columns = [(function(X + e) - function(X - e)) / (2 * _STEP) for e in np.eye(X.shape[1]) * _STEP]
    return np.stack(columns, axis=1)


def _wave(X: FloatArray) -> FloatArray:
    return np.asarray(np.sin(4 * X[:, 0]) + (X**2).sum(axis=1))


class KernelContract:
    """What every kernel keeps: positive definite, all parts consistent, pullbacks that are derivatives."""

    def make(self) -> Kernel:
        """Return the kernel under test."""
        raise NotImplementedError

    def space(self) -> Space:
        """Return a space that it suits."""
        return Space([Real("x", 0, 1), Real("y", 0, 1), Categorical("kind", ["u", "v", "w"])])

    def _case(self, n: int) -> tuple[Covariance, FloatArray, FloatArray]:
        covariance = Covariance(self.space(), self.make())
        prior = covariance.hyperprior
        draw = np.random.default_rng(0)
        theta = np.clip(prior.starts[1] + 0.3 * draw.standard_normal(len(prior)), prior.lower, prior.upper)
        return covariance, theta, covariance.space.project(draw.random((n, covariance.space.d)))

    def test_the_prior_is_complete(self) -> None:
        """Names, bounds and starts belong together."""
        covariance, _, _ = self._case(1)
        prior = covariance.hyperprior
        assert len(prior.names) == len(prior.mu) == len(prior.sigma)
        assert prior.starts.shape == (3, len(prior))
        assert (prior.lower <= prior.starts).all()
        assert (prior.starts <= prior.upper).all()
        assert (prior.sigma > 0).all()

    def test_covariances_are_positive_definite_and_agree(self) -> None:
        """Gram, cross and diagonal are one function, however points are joined."""
        covariance, theta, X = self._case(30)
        placed, _ = covariance.place_points(theta, X)
        lower, _ = placed.gram(Pool(30))
        K = np.tril(lower) + np.tril(lower, -1).T
        assert np.linalg.eigvalsh(K).min() > -1e-8 * np.abs(K).max()
        np.testing.assert_allclose(placed.cross(placed)[0], K, atol=1e-7)
        np.testing.assert_allclose(placed.diagonal()[0], np.diag(K), atol=1e-12)
        first, second = (covariance.place_points(theta, part)[0] for part in (X[:20], X[20:]))
        np.testing.assert_allclose(np.tril(first.join(second).gram(Pool(30))[0]), np.tril(K), atol=1e-12)

    def test_pullbacks_are_derivatives(self) -> None:
        """Of the gram matrix in the hyper-parameters; of covariances in the points."""
        covariance, theta, X = self._case(8)
        draw = np.random.default_rng(1)
        G = draw.standard_normal((8, 8))
        G = G + G.T

        def total(theta: FloatArray) -> float:
            k = covariance.place_points(theta, X)[0].gram(Pool(8))[0]
            return float((G * (np.tril(k) + np.tril(k, -1).T)).sum())

        numeric = [(total(theta + e) - total(theta - e)) / (2 * _STEP) for e in np.eye(len(theta)) * _STEP]
        gradient, _ = covariance.place_points(theta, X)[0].gram(Pool(8))[1](G.copy())
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5 * np.abs(numeric).max())

        at = covariance.space.project(draw.uniform(0.1, 0.9, (4, X.shape[1])))
        W, w = draw.standard_normal((4, 8)), draw.standard_normal(4)
        data = covariance.place_points(theta, X)[0]

        def values(points: FloatArray) -> FloatArray:
            placed, _ = covariance.place_points(theta, points)
            return np.asarray((W * placed.cross(data)[0]).sum(axis=1) + w * placed.diagonal()[0])

        placed, to_X = covariance.place_points(theta, at)
        slope = to_X(placed.cross(data)[1](W) + placed.diagonal()[1](w))
        moves = ~np.asarray(covariance.space.is_categorical)
        np.testing.assert_allclose(
            slope[:, moves], _differences(values, at)[:, moves], rtol=1e-5, atol=1e-5 * np.abs(slope).max()
        )

    def test_a_process_can_be_fitted_with_it(self) -> None:
        """To ordinary outcomes, to constant ones, and to a single one."""
        covariance, _, X = self._case(20)
        fit = GaussianProcess(kernel=self.make())
        for n, y in ((20, _wave(X)), (20, np.full(20, 3.0)), (1, np.ones(1))):
            model, _ = fit.fit(covariance.space, X[:n], y)
            mean, sd = model.predict(X)
            assert np.isfinite(mean).all()
            assert np.isfinite(sd).all()


class SurrogateContract:
    """What every fit and the surrogate that it returns keep.

    Override ``tolerance`` for models that smooth what they are told.
    """

    tolerance = 0.1
    """How far predictions at told points may be from outcomes, in standard deviations of these."""

    def make(self) -> Fit:
        """Return what fits the surrogate under test."""
        raise NotImplementedError

    def space(self) -> Space:
        """Return a space that it suits."""
        return Space([Real("x", 0, 1), Real("y", 0, 1), Integer("k", 1, 5), Categorical("c", ["u", "v"])])

    def _fitted(self, n: int = 25, seed: int = 0) -> tuple[Any, FloatArray, FloatArray]:
        space = self.space()
        X = space.project(np.random.default_rng(seed).random((n, space.d)))
        y = 100.0 + 10.0 * _wave(X)
        return self.make().fit(space, X, y, rng=Key(seed))[0], X, y

    def _elsewhere(self, n: int = 6) -> FloatArray:
        space = self.space()
        return space.project(np.random.default_rng(9).uniform(0.05, 0.95, (n, space.d)))

    def test_a_fit_is_pure_and_its_notes_are_plain(self) -> None:
        """The same arguments give the same model; notes are JSON, and the next fit takes them."""
        space = self.space()
        X = space.project(np.random.default_rng(0).random((25, space.d)))
        first, notes = self.make().fit(space, X, _wave(X), rng=Key(0))
        second, _ = self.make().fit(space, X, _wave(X), rng=Key(0))
        at = self._elsewhere()
        np.testing.assert_array_equal(first.posterior(at)[0], second.posterior(at)[0])
        assert json.loads(json.dumps(notes, allow_nan=False)) == notes
        again, _ = self.make().fit(space, X, _wave(X), previous=notes, rng=Key(0))
        assert np.isfinite(again.posterior(at)[0]).all()

    def test_shapes_and_signs(self) -> None:
        """Means (b, s), variances (b, s or 1) above 0, and what is said of the data."""
        model, X, _ = self._fitted()
        at = self._elsewhere()
        mean, variance = model.posterior(at)
        s = mean.shape[1]
        assert mean.shape == (6, s)
        assert variance.shape in ((6, s), (6, 1))
        assert (variance > 0).all()
        assert model.fitted.shape == (len(model.X), s)
        np.testing.assert_allclose(model.incumbent, model.fitted.min(axis=0))
        np.testing.assert_allclose(model.fitted, model.posterior(model.X)[0], atol=1e-6)
        assert model.scale.shape == (X.shape[1],)
        assert ((model.scale > 0) & (model.scale <= 1)).all()
        assert model.noise_variance >= 0
        values, spreads = model.joint(np.stack([at, at[::-1]]))
        assert values.shape == (2, 6, s)
        np.testing.assert_allclose(values[0], mean, atol=1e-6)
        diagonal = np.diagonal(spreads[0], axis1=1, axis2=2).T
        np.testing.assert_allclose(diagonal, variance, atol=1e-6)

    def test_predictions_come_back_in_the_outcomes_units(self) -> None:
        """Close to what was told, and in its units."""
        model, X, y = self._fitted()
        mean, sd = model.predict(X)
        assert np.abs(mean - y).mean() < self.tolerance * y.std()
        assert (sd >= 0).all()
        assert mean.shape == sd.shape == (len(X),)

    def test_gradients_are_derivatives_where_there_are_any(self) -> None:
        """Zeros where the model is not smooth."""
        model, _, _ = self._fitted()
        at = self._elsewhere()
        mean, variance, pull = model.posterior_vjp(at)
        draw = np.random.default_rng(2)
        a, b = draw.standard_normal(mean.shape), draw.standard_normal(variance.shape)
        gradient = pull(a, b)
        if not model.is_smooth:
            np.testing.assert_array_equal(gradient, np.zeros_like(at))
            return

        def value(points: FloatArray) -> FloatArray:
            m, v = model.posterior(points)
            return np.asarray((a * m).sum(axis=1) + (b * v).sum(axis=1))

        numeric = _differences(value, at)
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5 * np.abs(numeric).max())

    def test_what_is_pending_takes_the_uncertainty_and_leaves_the_mean(self) -> None:
        """And the model that was asked stays as it was."""
        model, _, _ = self._fitted()
        at = self._elsewhere(2)
        before = model.posterior(at)
        seen = model.fantasize(at)
        assert (seen.posterior(at)[1] <= before[1] + 1e-9).all()
        assert np.abs(seen.posterior(at)[0] - before[0]).max() < 0.5
        after = model.posterior(at)
        np.testing.assert_array_equal(before[0], after[0])
        np.testing.assert_array_equal(before[1], after[1])

    def test_odd_data_are_no_obstacle(self) -> None:
        """One result, equal results, repeated points, huge and tiny values."""
        space = self.space()
        X = space.project(np.random.default_rng(3).random((12, space.d)))
        twice = np.concatenate([X, X])
        for points, y in (
            (X[:1], np.ones(1)),
            (X, np.full(12, 7.0)),
            (twice, np.concatenate([_wave(X), _wave(X) + 0.1])),
            (X, 1e200 * _wave(X)),
            (X, 1e-200 * _wave(X)),
        ):
            model, _ = self.make().fit(space, points, y, rng=Key(0))
            mean, sd = model.predict(X)
            assert np.isfinite(mean).all()
            assert np.isfinite(sd).all()


class AcquisitionContract:
    """What every acquisition keeps: finite, pure, rows apart, gradients that are derivatives."""

    def make(self, model: Surrogate, situation: Situation) -> Acquisition:
        """Return the acquisition under test for a fitted model."""
        raise NotImplementedError

    def model(self) -> Surrogate:
        """Return a model that it suits."""
        space = Space([Real("x", 0, 1), Real("y", 0, 1), Categorical("kind", ["u", "v"])])
        X = space.project(np.random.default_rng(0).random((20, 3)))
        y = _wave(X) + 0.1 * np.random.default_rng(1).standard_normal(20)
        model: Surrogate = GaussianProcess().fit(space, X, y)[0]
        return model

    def _case(self) -> tuple[Acquisition, FloatArray]:
        model = self.model()
        at = np.random.default_rng(5).uniform(0.05, 0.95, (7, model.X.shape[1]))
        at[:, 2:] = np.rint(at[:, 2:])
        return self.make(model, Situation(model.incumbent, Key(3))), at

    def test_values_are_finite_and_rows_stay_apart(self) -> None:
        """Whatever else is asked in the same call, and however often."""
        acquisition, at = self._case()
        values = acquisition.value(at)
        assert values.shape == (7,)
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(values, acquisition.value(at))
        alone = np.concatenate([acquisition.value(x[None]) for x in at])
        np.testing.assert_allclose(alone, values, rtol=1e-7, atol=1e-9)

    def test_two_made_alike_are_alike(self) -> None:
        """What is drawn at random is drawn from the key."""
        (first, at), (second, _) = self._case(), self._case()
        np.testing.assert_array_equal(first.value(at), second.value(at))

    def test_gradients_are_derivatives(self) -> None:
        """In columns that are continuous; 0 in others."""
        acquisition, at = self._case()
        value, gradient = acquisition.value_and_grad(at)
        np.testing.assert_allclose(value, acquisition.value(at), rtol=1e-7, atol=1e-9)
        assert gradient.shape == at.shape
        assert not gradient[:, 2:].any()
        if acquisition.is_smooth:
            numeric = _differences(acquisition.value, at)[:, :2]
            np.testing.assert_allclose(gradient[:, :2], numeric, rtol=1e-4, atol=1e-5 * np.abs(numeric).max())

    def test_lengths_are_given(self) -> None:
        """One a column, in (0, 1]."""
        acquisition, at = self._case()
        assert acquisition.scale.shape == (at.shape[1],)
        assert ((acquisition.scale > 0) & (acquisition.scale <= 1)).all()
