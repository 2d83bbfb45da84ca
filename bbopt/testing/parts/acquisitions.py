"""What every acquisition keeps."""

import numpy as np

from bbopt.acquisitions.acquisition import Acquisition
from bbopt.rng import Key
from bbopt.space import Categorical, Real, Space
from bbopt.strategies.criteria import Situation
from bbopt.surrogates.process import GaussianProcess
from bbopt.surrogates.surrogate import Surrogate
from bbopt.testing.parts.differences import assert_derivatives, differences, made, unnamed, wave
from bbopt.types import FloatArray


class AcquisitionContract:
    """What every acquisition keeps: finite, pure, rows apart, gradients that are derivatives."""

    def make(self, model: Surrogate, situation: Situation) -> Acquisition:
        """Return the acquisition under test for a fitted model."""
        raise unnamed(self, "the acquisition")

    def model(self) -> Surrogate:
        """Return a model that it suits."""
        space = Space([Real("x", 0, 1), Real("y", 0, 1), Categorical("kind", ["u", "v"])])
        X = space.project(np.random.default_rng(0).random((20, 3)))
        y = wave(X) + 0.1 * np.random.default_rng(1).standard_normal(20)
        model: Surrogate = GaussianProcess().fit(space, X, y)[0]
        return model

    def _case(self) -> tuple[Acquisition, FloatArray]:
        model = self.model()
        at = np.random.default_rng(5).uniform(0.05, 0.95, (7, model.X.shape[1]))
        at[:, 2:] = np.rint(at[:, 2:])
        return made(self.make(model, Situation(model.incumbent, Key(3)))), at

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
        """In columns that are continuous; 0 in categorical ones."""
        acquisition, at = self._case()
        value, gradient = acquisition.value_and_grad(at)
        np.testing.assert_allclose(value, acquisition.value(at), rtol=1e-7, atol=1e-9)
        assert gradient.shape == at.shape
        assert not gradient[:, 2:].any()
        if acquisition.is_smooth:
            numeric = differences(acquisition.value, at)[:, :2]
            assert_derivatives(gradient[:, :2], numeric, "the gradient of value_and_grad")

    def test_lengths_are_given(self) -> None:
        """One a column, in (0, 1]."""
        acquisition, at = self._case()
        assert acquisition.scale.shape == (at.shape[1],)
        assert ((acquisition.scale > 0) & (acquisition.scale <= 1)).all()
