"""What a study can say of itself: the best trial, predictions, reasons, a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bbopt.data.history import FAR, History, Trials
from bbopt.data.trial import Status, Trial
from bbopt.errors import DataError, FitError, MissingExtra, UnsupportedError
from bbopt.rng import Key
from bbopt.space import Space
from bbopt.spec import Spec
from bbopt.strategies.strategy import AnyStrategy
from bbopt.types import FloatArray, Params

if TYPE_CHECKING:
    import pandas as pd

    from bbopt.strategies.modelling import Fit
    from bbopt.surrogates.surrogate import Surrogate

_COMPARED = 1000
"""Trials whose posterior means are compared, those with the best values: another one will hardly be lower."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial, and the rule by which it was chosen.

    Attributes
    ----------
    trial : Trial
    rule : str
        In words.
    mean, sd : float or None
        Posterior mean and standard deviation there, where the rule looked at a model.
    """

    trial: Trial
    rule: str
    mean: float | None = None
    sd: float | None = None

    def __repr__(self) -> str:
        model = "" if self.mean is None else f", mean={self.mean:.6g} ± {self.sd:.2g}"
        return (
            f"Best(value={self.value:.6g}{model}, params={dict(self.params)}, "
            f"trial={self.trial.number}, rule={self.rule!r})"
        )

    @property
    def params(self) -> Params:
        """What was really run."""
        return self.trial.at if self.trial.at is not None else self.trial.params

    @property
    def value(self) -> float:
        """The value told."""
        value = self.trial.value
        if value is None:
            raise DataError(f"trial {self.trial.number} has no value")
        return value


@dataclass(frozen=True, slots=True)
class Prediction:
    """Posterior mean and standard deviation of the noise-free objective, in the user's direction."""

    mean: float
    sd: float

    def __repr__(self) -> str:
        return f"Prediction({self.mean:.6g} ± {self.sd:.2g})"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the model would pick.

    Attributes
    ----------
    params : mapping
    mean, sd : float or None
        Prediction there; None where no model could be fitted.
    rule : str
        In words.
    """

    params: Params
    mean: float | None
    sd: float | None
    rule: str

    def __repr__(self) -> str:
        model = "" if self.mean is None else f"mean={self.mean:.6g} ± {self.sd:.2g}, "
        return f"Recommendation({model}params={dict(self.params)}, rule={self.rule!r})"


def best(history: History, strategy: AnyStrategy, by: str | None = None) -> Best:
    """Return the best trial among the complete ones that lie in the space.

    Parameters
    ----------
    history : History
    strategy : Strategy
        Says what surrogate a model is.
    by : {None, "observed", "model"}
        "observed": the best value told. "model": among the evaluated trials, of more than 1000 those with the
        best values, the one with the best posterior mean. None: "model" where noise is known of (``noise``
        declared above 0, an ``sd=`` told, or repeats that differ) and a model can be fitted, else "observed".
        Noise that an ask only learnt is not enough: name it, or say "model".

    Raises
    ------
    DataError
        If there is no complete trial in the space yet, or ``by`` is something else.
    UnsupportedError
        With several objectives, where no single trial is best.
    """
    if not (by is None or (isinstance(by, str) and by in ("observed", "model"))):
        raise DataError(f"best: by must be 'observed', 'model' or None, got {by!r}")
    _single(history.spec, "best")
    rows = np.flatnonzero((history.status == Status.COMPLETE) & history.inside)
    if not len(rows):
        raise DataError(_nothing_yet(history))
    y = history.Y[rows, 0]
    if by == "model" or (by is None and _is_noisy(history, rows)):
        try:
            model = fit_model(history, strategy)
        except FitError:
            pass
        else:
            compared = np.sort(rows[np.argsort(y, kind="stable")[:_COMPARED]])
            mean, sd = model.predict(history.X[compared])
            k = int(np.argmin(mean))
            told = float(mean[k] * history.spec.sign[0])
            which = f"the {_COMPARED} best told of " if len(rows) > _COMPARED else ""
            rule = f"best posterior mean among {which}{len(rows)} evaluated trials in the space"
            return Best(history.trial(int(compared[k])), rule, told, float(sd[k]))
    rule = f"best value told among {len(rows)} complete trials in the space"
    return Best(history.trial(int(rows[np.argmin(y)])), rule)


def recommend(history: History, strategy: AnyStrategy, key: Key) -> Recommendation:
    """Return the point of the space with the best posterior mean, evaluated or not.

    With fewer than two results, or where no model can be fitted, the best trial.

    Raises
    ------
    DataError
        If nothing is complete yet.
    UnsupportedError
        With several objectives.
    """
    from bbopt.strategies.modelling import best_of_model

    found = best(history, strategy, by="observed")
    try:
        x, model = best_of_model(history, surrogate_of(strategy), key)
    except FitError as error:
        return Recommendation(found.params, None, None, f"{found.rule}: {error}")
    prediction = predict(history.spec, model, x[None])[0]
    params = history.spec.space.decode(x[None])[0]
    return Recommendation(params, prediction.mean, prediction.sd, "best posterior mean over the space")


def fit_model(history: History, strategy: AnyStrategy) -> "Surrogate":
    """Fit the model that answers questions: the strategy's own, else the default Gaussian process.

    Raises
    ------
    DataError
        Where nothing is complete.
    FitError
        Where nothing can be fitted.
    UnsupportedError
        With several objectives.
    """
    from bbopt.strategies.modelling import fit_history

    _single(history.spec, "a prediction")
    if not history.count(Status.COMPLETE):
        raise DataError(_nothing_yet(history))
    return fit_history(history, surrogate_of(strategy))


def surrogate_of(strategy: AnyStrategy) -> "Fit":
    """Return what a strategy fits to results, the default Gaussian process where it fits nothing."""
    from bbopt.surrogates.process import GaussianProcess

    return getattr(strategy, "surrogate", None) or GaussianProcess()


def predict(spec: Spec, model: "Surrogate", X: FloatArray) -> list[Prediction]:
    """Return predictions at encoded points (b, d) in the user's direction."""
    mean, sd = model.predict(np.clip(X, -FAR, FAR))
    return [Prediction(float(m), float(s)) for m, s in zip(mean * spec.sign[0], sd, strict=True)]


def to_dataframe(trials: Trials, space: Space, spec: Spec) -> "pd.DataFrame":
    """Return all trials as a DataFrame: number, status, params, outcomes, sd, cost, seconds, error.

    ``seconds`` run from ask to tell, whatever happened between them; what an evaluation took is told as
    ``cost``. An objective or a parameter with the name of another column is shown as ``values.NAME`` or
    ``params.NAME``. Raises MissingExtra without pandas.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra("to_dataframe", "pandas", "plot") from error
    rows = list(trials)
    ours = {"number", "status", "cost", "seconds", "error"}
    outcomes = {o.name: f"values.{o.name}" if o.name in ours else o.name for o in spec.objectives}
    sds = {name: f"{title} sd" for name, title in outcomes.items()}
    ours |= {*outcomes.values(), *sds.values()}
    inputs = {name: f"params.{name}" if name in ours else name for name in space.names}
    columns: dict[str, Any] = {
        "number": [trial.number for trial in rows],
        "status": [trial.status.name for trial in rows],
    }
    run = [trial.params if trial.at is None else trial.at for trial in rows]
    columns |= {title: [params.get(name) for params in run] for name, title in inputs.items()}
    columns |= {title: _floats([t.values.get(name) for t in rows]) for name, title in outcomes.items()}
    columns |= {title: _floats([t.observation.sd.get(name) for t in rows]) for name, title in sds.items()}
    columns["cost"] = _floats([trial.observation.cost for trial in rows])
    columns["seconds"] = _floats(
        [None if t.told is None or t.asked is None else t.told - t.asked for t in rows]
    )
    columns["error"] = [trial.error for trial in rows]
    return pd.DataFrame(columns)


def _floats(values: "list[float | None]") -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _single(spec: Spec, what: str) -> None:
    if len(spec.objectives) > 1:
        raise UnsupportedError(f"{what} is defined for one objective; this study has {len(spec.objectives)}")


def _is_noisy(history: History, rows: Sequence[int] | Any) -> bool:
    noise = history.spec.objectives[0].noise
    if noise is not None:
        return noise > 0
    if np.any(history.sd[rows] > 0):
        return True
    _, group = np.unique(history.X[rows], axis=0, return_inverse=True)
    group = group.ravel()
    y = history.Y[rows, 0]
    highest, lowest = np.full(group.max() + 1, -np.inf), np.full(group.max() + 1, np.inf)
    np.maximum.at(highest, group, y)
    np.minimum.at(lowest, group, y)
    return bool(np.any(highest > lowest))


def _nothing_yet(history: History) -> str:
    failed = history.count(Status.FAILED)
    outside = int(np.count_nonzero((history.status == Status.COMPLETE) & ~history.inside))
    notes = [f"{len(history)} trial{'' if len(history) == 1 else 's'}"]
    if failed:
        notes.append(f"{failed} failed")
    if outside:
        notes.append(f"{outside} complete but outside the space")
    return f"no trial is complete yet ({', '.join(notes)})"
