"""What kernels, surrogates and acquisitions keep, as tests: inherit a class, name your part, run pytest.

class TestMyKernel(KernelContract):
    def make(self):
        return MyKernel()
"""

import json
from typing import Any

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.errors import UnsupportedError
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

STEPS = 0.02 * 0.5 ** np.arange(9)
"""Steps of differences: each half of the one before."""
RELATIVE, ABSOLUTE = 1e-6, 1e-7
"""How far gradients may be from differences: as a share of themselves, and of the largest."""


def slope(function: Any, x: FloatArray, direction: FloatArray) -> FloatArray:
    """Return the derivative of a function along a direction, of whatever shape its values have.

    Central differences with ever smaller steps, extrapolated to a step of 0; of each value the
    extrapolation that agrees best with the one before. So neither curvature nor rounding is in the way.

    Ridders 1982; Press et al. 2007, section 5.7.
    """
    steps = [h * direction for h in STEPS]
    rough = np.array(
        [(function(x + e) - function(x - e)) / (2 * h) for e, h in zip(steps, STEPS, strict=True)]
    )
    better = (4 * rough[1:] - rough[:-1]) / 3
    best = (16 * better[1:] - better[:-1]) / 15
    chosen = np.abs(np.diff(best, axis=0)).argmin(axis=0)
    return np.asarray(np.take_along_axis(best[1:], chosen[None], axis=0)[0])


def _differences(function: Any, X: FloatArray) -> FloatArray:
    """Return derivatives (b, d) of a function of points (b, d) whose rows do not mix."""
    return np.stack([slope(function, X, e) for e in np.eye(X.shape[1])], axis=1)


def _assert_derivatives(gradient: FloatArray, numeric: FloatArray, what: str) -> None:
    largest = np.abs(numeric).max(initial=0.0)
    message = f"{what}: this (actual) is not what differences of the values say (desired)"
    np.testing.assert_allclose(gradient, numeric, RELATIVE, ABSOLUTE * largest, err_msg=message)


def _made(part: Any) -> Any:
    """Return what ``make`` returned, unless that is no object."""
    assert part is not None, "make returned None: return the part under test"
    assert not isinstance(part, type), (
        f"make returned the class {part.__name__}: return an object, {part.__name__}()"
    )
    return part


def _unnamed(contract: object, what: str) -> NotImplementedError:
    return NotImplementedError(f"{type(contract).__name__}: define make, which returns {what} under test")


def _wave(X: FloatArray) -> FloatArray:
    return np.asarray(np.sin(4 * X[:, 0]) + (X**2).sum(axis=1))


class KernelContract:
    """What every kernel keeps: positive definite, all parts consistent, pullbacks that are derivatives."""

    def make(self) -> Kernel:
        """Return the kernel under test."""
        raise _unnamed(self, "the kernel")

    def space(self) -> Space:
        """Return a space that it suits."""
        return Space([Real("x", 0, 1), Real("y", 0, 1), Categorical("kind", ["u", "v", "w"])])

    def _case(self, n: int) -> tuple[Covariance, FloatArray, FloatArray]:
        covariance = Covariance(self.space(), _made(self.make()))
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
        _assert_derivatives(gradient, numeric, f"gram's pullback to hyper-parameters; {of_profile}")

        at = covariance.space.project(draw.uniform(0.1, 0.9, (4, X.shape[1])))
        W, w = draw.standard_normal((4, 8)), draw.standard_normal(4)
        data = covariance.place_points(theta, X)[0]

        def values(points: FloatArray) -> FloatArray:
            placed, _ = covariance.place_points(theta, points)
            return np.asarray((W * placed.cross(data)[0]).sum(axis=1) + w * placed.diagonal()[0])

        placed, to_X = covariance.place_points(theta, at)
        gradient = to_X(placed.cross(data)[1](W) + placed.diagonal()[1](w))
        moves = ~np.asarray(covariance.space.is_categorical)
        numeric = _differences(values, at)
        what = f"the pullbacks of cross and diagonal to points; {of_profile}"
        _assert_derivatives(gradient[:, moves], numeric[:, moves], what)

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
        numeric = _differences(values, X)
        _assert_derivatives(gradient[:, moves], numeric[:, moves], "the pullback of random features")

    def test_lengths_are_given(self) -> None:
        """One a column of the space, above 0; infinite where it does not change."""
        covariance, theta, _ = self._case(1)
        lengths = _made(self.make()).lengths(covariance.features, theta)
        d = covariance.space.d
        assert lengths.shape == (d,), f"lengths must be ({d},), one a column, got {lengths.shape}"
        assert (lengths > 0).all(), f"lengths must be above 0, got {lengths}"

    def test_a_process_can_be_fitted_with_it(self) -> None:
        """To ordinary outcomes, to constant ones, and to a single one."""
        covariance, _, X = self._case(20)
        fit = GaussianProcess(kernel=_made(self.make()))
        for n, y in ((20, _wave(X)), (20, np.full(20, 3.0)), (1, np.ones(1))):
            model, _ = fit.fit(covariance.space, X[:n], y)
            mean, sd = model.predict(X)
            assert np.isfinite([mean, sd]).all(), f"a fit to {n} outcomes predicts what is not finite"


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
        raise _unnamed(self, "what fits the surrogate")

    def space(self) -> Space:
        """Return a space that it suits."""
        return Space([Real("x", 0, 1), Real("y", 0, 1), Integer("k", 1, 5), Categorical("c", ["u", "v"])])

    def _fitted(self, n: int = 25, seed: int = 0) -> tuple[Any, FloatArray, FloatArray]:
        space = self.space()
        X = space.project(np.random.default_rng(seed).random((n, space.d)))
        y = 100.0 + 10.0 * _wave(X)
        return _made(self.make()).fit(space, X, y, rng=Key(seed))[0], X, y

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
        first, notes = _made(self.make()).fit(space, X, _wave(X), rng=Key(0))
        second, _ = _made(self.make()).fit(space, X, _wave(X), rng=Key(0))
        at = self._elsewhere()
        np.testing.assert_array_equal(first.posterior(at)[0], second.posterior(at)[0])
        assert json.loads(json.dumps(notes, allow_nan=False)) == notes
        again, _ = _made(self.make()).fit(space, X, _wave(X), previous=notes, rng=Key(0))
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
            _assert_derivatives(gradient, numeric, what)

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
            (twice, np.concatenate([_wave(X), _wave(X) + 0.1])),
            (X, 1e200 * _wave(X)),
            (X, 1e-200 * _wave(X)),
        ):
            model, _ = _made(self.make()).fit(space, points, y, rng=Key(0))
            mean, sd = model.predict(X)
            assert np.isfinite([mean, sd]).all(), f"a fit to {y} predicts what is not finite"


class AcquisitionContract:
    """What every acquisition keeps: finite, pure, rows apart, gradients that are derivatives."""

    def make(self, model: Surrogate, situation: Situation) -> Acquisition:
        """Return the acquisition under test for a fitted model."""
        raise _unnamed(self, "the acquisition")

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
        return _made(self.make(model, Situation(model.incumbent, Key(3)))), at

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
            _assert_derivatives(gradient[:, :2], numeric, "the gradient of value_and_grad")

    def test_lengths_are_given(self) -> None:
        """One a column, in (0, 1]."""
        acquisition, at = self._case()
        assert acquisition.scale.shape == (at.shape[1],)
        assert ((acquisition.scale > 0) & (acquisition.scale <= 1)).all()
