"""What every surrogate keeps."""

import json
from typing import Any

import numpy as np

from bbopt.rng import Key
from bbopt.space import Categorical, Integer, Real, Space
from bbopt.strategies.modelling import Fit
from bbopt.testing.parts.differences import assert_derivatives, made, slope, unnamed, wave
from bbopt.types import FloatArray


class SurrogateContract:
    """What every fit and the surrogate that it returns keep.

    Override ``tolerance`` for models that smooth what they are told, ``is_gaussian`` for those that are
    fitted anew, or otherwise know no covariances, when they are told more.
    """

    tolerance = 0.1
    """How far predictions at told points may be from outcomes, in standard deviations of these."""
    is_gaussian = True
    """Whether ``condition`` is what the joint posterior says: that of Gaussian values."""
    drift = 1e-6
    """How far a mean may move, in model units, where the model is told what it expects."""

    def make(self) -> Fit:
        """Return what fits the surrogate under test."""
        raise unnamed(self, "what fits the surrogate")

    def space(self) -> Space:
        """Return a space that it suits."""
        return Space([Real("x", 0, 1), Real("y", 0, 1), Integer("k", 1, 5), Categorical("c", ["u", "v"])])

    def _fitted(self, n: int = 25, seed: int = 0) -> tuple[Any, FloatArray, FloatArray]:
        space = self.space()
        X = space.project(np.random.default_rng(seed).random((n, space.d)))
        y = 100.0 + 10.0 * wave(X)
        return made(self.make()).fit(space, X, y, rng=Key(seed))[0], X, y

    def _elsewhere(self, n: int = 6) -> FloatArray:
        space = self.space()
        return space.project(np.random.default_rng(9).uniform(0.05, 0.95, (n, space.d)))

    def _inside(self) -> FloatArray:
        """Points away from the ends of ranges, where differences would leave the space."""
        at = self._elsewhere()
        return np.where(self.space().is_categorical, at, np.clip(at, 0.05, 0.95))

    def test_a_fit_is_pure_and_its_notes_are_plain(self) -> None:
        """The same arguments give the same model; notes are JSON, and the next fit takes them."""
        space = self.space()
        X = space.project(np.random.default_rng(0).random((25, space.d)))
        first, notes = made(self.make()).fit(space, X, wave(X), rng=Key(0))
        second, _ = made(self.make()).fit(space, X, wave(X), rng=Key(0))
        at = self._elsewhere()
        np.testing.assert_array_equal(first.posterior(at)[0], second.posterior(at)[0])
        assert json.loads(json.dumps(notes, allow_nan=False)) == notes
        again, _ = made(self.make()).fit(space, X, wave(X), previous=notes, rng=Key(0))
        assert np.isfinite(again.posterior(at)[0]).all()

    def test_shapes_and_signs(self) -> None:
        """Means (b, s), variances (b, s or 1) above 0, and what is said of the data."""
        model, X, _ = self._fitted()
        at = self._elsewhere()
        mean, variance = model.posterior(at)
        s = mean.shape[1]
        assert mean.shape == (6, s)
        assert variance.shape in ((6, s), (6, 1))
        assert (variance > 0).all(), f"variances must be above 0, got {variance.min()}"
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
        np.testing.assert_allclose(diagonal, np.broadcast_to(variance, diagonal.shape), rtol=1e-5, atol=1e-7)
        assert np.linalg.eigvalsh(spreads).min() > -1e-6 * np.abs(spreads).max()

    def test_predictions_come_back_in_the_outcomes_units(self) -> None:
        """Close to what was told, and in its units."""
        model, X, y = self._fitted()
        mean, sd = model.predict(X)
        assert np.abs(mean - y).mean() < self.tolerance * y.std()
        assert (sd >= 0).all()
        assert mean.shape == sd.shape == (len(X),)

    def test_no_points_are_an_answer_too(self) -> None:
        """Empty means, variances and gradients, of the usual shapes: of a search that found no points."""
        model, X, _ = self._fitted()
        nowhere, s = X[:0], model.fitted.shape[1]
        mean, variance, pull = model.posterior_vjp(nowhere)
        for means, variances in (model.posterior(nowhere), (mean, variance)):
            assert means.shape == (0, s)
            assert variances.shape in ((0, s), (0, 1))
        assert pull(np.zeros_like(mean), np.zeros_like(variance)).shape == nowhere.shape
        assert [moment.shape for moment in model.predict(nowhere)] == [(0,), (0,)]

    def test_gradients_are_derivatives_where_there_are_any(self) -> None:
        """Of means, and of variances; zeros where the model is not smooth."""
        model, _, _ = self._fitted()
        self._check_pullback(model, model.posterior_vjp, model.posterior, self._inside())

    def test_gradients_of_joint_posteriors_are_derivatives_where_there_are_any(self) -> None:
        """Of means, and of covariances of sets of points; zeros where the model is not smooth."""
        model, _, _ = self._fitted()
        at = self._inside()
        self._check_pullback(model, model.joint_vjp, model.joint, at.reshape(2, -1, at.shape[1]))

    def _check_pullback(self, model: Any, vjp: Any, moments: Any, at: FloatArray) -> None:
        """Compare with differences at points (b, d), or sets of points (t, q, d), which do not mix."""
        *found, pull = vjp(at)
        draw = np.random.default_rng(2)
        zeros = [np.zeros_like(part) for part in found]
        for k, (part, expected) in enumerate(zip(found, moments(at), strict=True)):
            np.testing.assert_allclose(part, expected, rtol=1e-7, atol=1e-9)
            weight = draw.standard_normal(part.shape)
            if part.ndim == 4:  # covariances are symmetric
                weight = weight + weight.swapaxes(-1, -2)
            gradient = pull(*[weight if j == k else zero for j, zero in enumerate(zeros)])
            assert gradient.shape == at.shape
            if not model.is_smooth:
                np.testing.assert_array_equal(gradient, np.zeros_like(at))
                continue

            def value(points: FloatArray, k: int = k, weight: FloatArray = weight) -> FloatArray:
                return np.asarray((weight * moments(points)[k]).reshape(len(points), -1).sum(axis=1))

            places = np.eye(at[0].size).reshape(-1, *at[0].shape)
            numeric = np.stack([slope(value, at, e) for e in places], axis=1).reshape(at.shape)
            what = f"the pullback of {getattr(vjp, '__name__', 'moments')} from its output {k}"
            assert_derivatives(gradient, numeric, what)

    def test_what_is_pending_takes_the_uncertainty_and_leaves_the_mean(self) -> None:
        """Also where it is not: less is unsure anywhere. The model that was asked stays as it was."""
        model, _, _ = self._fitted()
        at, pending = self._elsewhere(), self._elsewhere(2)
        before = model.posterior(at)
        seen = model.fantasize(pending)
        mean, variance = seen.posterior(at)
        assert (variance[:2] < 0.5 * before[1][:2] + 1e-9).all(), "what is pending is as unsure as before"
        if self.is_gaussian:
            assert (variance <= before[1] * (1 + 1e-6) + 1e-9).all()
        assert np.abs(mean - before[0]).max() <= self.drift
        assert len(seen.X) == len(model.X) + 2
        for part, expected in zip(model.posterior(at), before, strict=True):
            np.testing.assert_array_equal(part, expected)

    def test_what_is_told_is_believed(self) -> None:
        """Means move to it, by what the joint posterior says where values are Gaussian."""
        model, _, _ = self._fitted(8)  # few results, so that there is something left to be told
        points = self._elsewhere(8)
        mean, covariance = (moment[0] for moment in model.joint(points[None]))
        sd = np.sqrt(np.einsum("sqq->qs", covariance))
        Y = mean[:2] + sd[:2] * np.array([[1.0], [-0.5]])
        seen = model.condition(points[:2], Y)
        assert len(seen.X) == len(model.X) + 2
        after, variance = seen.posterior(points)
        if not self.is_gaussian:
            assert (np.abs(after[:2] - Y) < np.abs(mean[:2] - Y)).all()
            return
        gain = np.linalg.solve(covariance[:, :2, :2], covariance[:, :2]).transpose(0, 2, 1)
        moved = np.einsum("spq,qs->ps", gain, Y - mean[:2])
        left = np.einsum("sqq->qs", covariance - gain @ covariance[:, :2])
        assert (np.abs(after - mean - moved) < 0.01 * sd).all(), "means are not those of Gaussian values"
        assert (np.abs(variance - left) < 0.01 * sd**2).all(), "variances are not those of Gaussian values"

    def test_odd_data_are_no_obstacle(self) -> None:
        """One result, equal results, repeated points, huge and tiny values."""
        space = self.space()
        X = space.project(np.random.default_rng(3).random((12, space.d)))
        twice = np.concatenate([X, X])
        for points, y in (
            (X[:1], np.ones(1)),
            (X, np.full(12, 7.0)),
            (twice, np.concatenate([wave(X), wave(X) + 0.1])),
            (X, 1e200 * wave(X)),
            (X, 1e-200 * wave(X)),
        ):
            model, _ = made(self.make()).fit(space, points, y, rng=Key(0))
            mean, sd = model.predict(X)
            assert np.isfinite([mean, sd]).all(), f"a fit to {y} predicts what is not finite"
