"""The space: what may be tried, and how params and encoded points turn into one another."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bbopt.errors import DataError, SpaceError
from bbopt.rng import Key
from bbopt.space.checking import check_constraints, check_params, fix_columns, is_complete, partial_params
from bbopt.space.constraints import Formula, KnownConstraint
from bbopt.space.counting import all_points, count_points
from bbopt.space.layout import Layout
from bbopt.space.linear import halfspaces
from bbopt.space.numeric import Integer
from bbopt.space.parameters import Categorical, Parameter
from bbopt.space.reading import Function, read_constraints, read_parameters, space_from_dict
from bbopt.space.sampling import Sampler, is_feasible
from bbopt.space.values import did_you_mean
from bbopt.types import BoolArray, FloatArray, IntArray, Params, Value

MAX_POINTS = 10**6
"""The most points or levels that are ever listed one by one."""

_FEW = 8  # up to so many rows are decoded one by one
_SAMPLERS = 16  # remembered at once, one for each choice of fixed columns


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Space:
    """The parameters, when each of them is active, and which combinations are known to be infeasible.

    Inside bbopt a point is a row of a float64 array X of shape (n, d), in the unit cube, with one
    column per parameter that is not constant. A row is *snapped* when its discrete columns hold
    exactly the place of a level, its inactive columns 0.5, and all others a number in [0, 1].

    Parameters
    ----------
    parameters : list of Parameter
        In the order in which users see them; conditions may refer to later ones.
    constraints : list of str or callable
        Known constraints: formulas such as ``"x1 + 2*x2 <= 3"`` (see
        :mod:`bbopt.space.expressions`) or functions that take params and return True where they
        are feasible. A formula that mentions an inactive parameter holds there.

    Attributes
    ----------
    names : tuple of str
        Of all parameters, constants included.
    d : int
        Number of columns.
    n_levels : ndarray of int64, shape (d,)
        Levels of each column, 0 for continuous ones.
    is_categorical : ndarray of bool, shape (d,)
        Columns whose levels have no order.
    is_conditional : bool
        Whether any parameter can be inactive.

    Raises
    ------
    SpaceError
        For anything malformed. Whether the constraints leave any point at all shows when sampling.

    Examples
    --------
    >>> from bbopt.space import Categorical, Real
    >>> space = Space([Real("x", 0, 10), Categorical("kernel", ["rbf", "poly"])], ["x <= 5"])
    >>> space.encode({"x": 2.5, "kernel": "poly"})
    array([[0.25, 1.  ]])
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[KnownConstraint, ...]
    names: tuple[str, ...]
    d: int
    n_levels: IntArray
    is_categorical: BoolArray
    is_conditional: bool
    _layout: Layout
    _samplers: dict[bytes, Sampler]

    def __init__(
        self,
        parameters: Iterable[Parameter],
        constraints: Iterable[str | Function | KnownConstraint] = (),
    ) -> None:
        parameters = read_parameters(parameters)
        layout = Layout(parameters)
        is_categorical = np.array([isinstance(p, Categorical) for p in layout.varying], dtype=np.bool_)
        is_categorical.setflags(write=False)
        derived = {
            "parameters": parameters,
            "constraints": read_constraints(constraints, parameters),
            "names": tuple(layout.column),
            "d": len(layout.varying),
            "n_levels": layout.n_levels,
            "is_categorical": is_categorical,
            "is_conditional": bool(layout.requires),
            "_layout": layout,
            "_samplers": {},
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, given: "Space | Mapping[str, Any] | Iterable[Parameter]") -> "Space":
        """Return a space from what a user has: a Space, its plain dict form, or a list of parameters."""
        if isinstance(given, Space):
            return given
        return cls.from_dict(given) if isinstance(given, Mapping) else cls(given)

    # --- params to points and back -------------------------------------------------------------

    def encode(self, params: Params | Sequence[Params]) -> FloatArray:
        """Return params as encoded points, shape (n, d); one mapping gives one row.

        Values keep their own place: outside of the range it lies beyond 0 or 1, between levels it
        is not snapped (:meth:`project` does that). Surplus names are not noticed.

        Raises
        ------
        DataError
            For params that ``validate(strict=False)`` refuses, and for values so far outside that
            their place overflows.
        """
        several = [params] if isinstance(params, Mapping) else params
        if not isinstance(several, Iterable):
            raise DataError(
                f"params must be a mapping of names to values, or several of them, got {params!r}"
            )
        rows = [self._encode_row(one) for one in several]
        return np.array(rows, dtype=np.float64).reshape(len(rows), self.d)

    def _encode_row(self, params: Params) -> list[float]:
        try:
            row = self._layout.encode_row(params)
            if isfinite(sum(row)):
                return row
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            pass  # what exactly is wrong, if anything, validate says
        params = self.validate(params, strict=False)
        try:
            row = self._layout.encode_row(params)
        except OverflowError as error:  # an integer beyond all floats
            raise DataError(f"params must be near the space, got {params!r}: {error}") from error
        for parameter, u in zip(self._layout.varying, row, strict=True):
            if not isfinite(u):
                raise DataError(
                    f"parameter {parameter.name!r} must be near {parameter.describe()}, "
                    f"got {params[parameter.name]!r}"
                )
        return row

    def decode(self, X: ArrayLike) -> list[dict[str, Value]]:
        """Return points of shape (n, d) as params: nearest levels, constants in, inactive parameters out."""
        X = self._points(X)
        if len(X) <= _FEW:
            return [self._layout.decode_row(row) for row in X.tolist()]
        P = self._layout.snapped(X)
        activity = self._layout.blank(P)
        columns = [column.tolist() for column in self._layout.values(P, self.names).values()]
        rows = [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]
        for name, is_active in activity.items():
            for i in np.flatnonzero(~is_active):
                del rows[i][name]
        return rows

    def columns(self, X: ArrayLike) -> dict[str, NDArray[Any]]:
        """Return points of shape (n, d) as one array (n,) per parameter, in the user's units.

        Real gives float64, Integer int64, lists of one type of number that type, others objects.
        Where a parameter is inactive, its entry is a valid value without meaning; see :meth:`active`.
        """
        return self._layout.values(self.project(X), self.names)

    # --- points ----------------------------------------------------------------------------------

    def project(self, X: ArrayLike) -> FloatArray:
        """Return the snapped points nearest to X: clipped, on levels, inactive columns 0.5; shape (n, d)."""
        P = self._layout.snapped(self._points(X))
        self._layout.blank(P)
        return P

    def active(self, X: ArrayLike) -> BoolArray:
        """Return which columns are active in each row, shape (n, d)."""
        X = self._points(X)
        result = np.ones(X.shape, dtype=np.bool_)
        if self.is_conditional:
            for name, is_active in self._layout.activity(self._layout.snapped(X)).items():
                if (j := self._layout.column[name]) is not None:
                    result[:, j] = is_active
        return result

    def feasible(self, X: ArrayLike) -> BoolArray:
        """Return which rows satisfy the known constraints once snapped, shape (n,)."""
        X = self._points(X)
        if not self.constraints:
            return np.ones(len(X), dtype=np.bool_)
        P = self._layout.snapped(X)
        return is_feasible(self._layout, self.constraints, P, self._layout.blank(P))

    def halfspaces(self, X: FloatArray, moving: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Return the linear known constraints A x <= b on where some columns move while the others stay.

        Left out are those in which a moving parameter is on a log scale or a list; :meth:`feasible`
        knows of all.

        Parameters
        ----------
        X : array (n, d)
            Snapped points from which to move.
        moving : array of bool, shape (d,)

        Returns
        -------
        A : array (m, d)
            Zero in columns that stay.
        b : array (n, m)
            What is left for the moving columns of each point; inf where a parameter that the constraint
            mentions is inactive. Slightly less for ``<``, so that all points that satisfy it are feasible.
        """
        return halfspaces(self._layout, self.constraints, X, moving)

    def from_unit(self, U: ArrayLike) -> FloatArray:
        """Map uniform U in [0, 1)^d to snapped points of shape (n, d).

        Every level is equally likely, those of log integers by their share of the log scale;
        continuous columns stay as they are, so that low-discrepancy sequences remain so.
        """
        P = self._layout.quantiles(self._points(U))
        self._layout.blank(P)
        return P

    def sample(self, n: int, rng: Key, *, start: int = 0, fixed: ArrayLike | None = None) -> FloatArray:
        """Draw feasible snapped points, shape (n, d); row i depends on (rng, start + i) alone.

        Points follow :meth:`from_unit` of uniform draws; infeasible ones are drawn again. Where fewer
        than about one draw in 1000 is feasible, rows are the ends of random walks among feasible points.

        Parameters
        ----------
        n : int
        rng : Key
        start : int
            Number of the first row, such as the number of a trial.
        fixed : array of shape (d,), optional
            Columns that are held, nan where free; see :meth:`fix`. They come out active.

        Raises
        ------
        SpaceError
            When neither about 10^5 draws nor a local search find a feasible point.
        """
        held = np.full(self.d, np.nan) if fixed is None else np.asarray(fixed, dtype=np.float64)
        if held.shape != (self.d,):
            raise DataError(f"fixed must have shape ({self.d},), nan where free, got shape {held.shape}")
        return self._sampler(held).sample(n, rng, start)

    def _sampler(self, held: FloatArray) -> Sampler:
        """Return the sampler for some held columns, which remembers what it found out about them."""
        key = held.tobytes()
        sampler = self._samplers.get(key)
        if sampler is None:
            if len(self._samplers) >= _SAMPLERS:
                self._samplers.clear()
            sampler = self._samplers[key] = Sampler(self._layout, self.constraints, held.copy())
        return sampler

    def _points(self, X: ArrayLike) -> FloatArray:
        points = np.asarray(X, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.d:
            raise DataError(f"points must have shape (n, {self.d}), got shape {points.shape}")
        return points

    # --- counting --------------------------------------------------------------------------------

    def column(self, name: str) -> int | None:
        """Return the column of a parameter, None for a constant; SpaceError for an unknown name."""
        if name not in self._layout.column:
            raise SpaceError(f"no parameter {name!r}{did_you_mean(name, self.names)}")
        return self._layout.column[name]

    def levels(self, j: int) -> FloatArray:
        """Return the encoded levels of column j, ascending; SpaceError if infinitely or over 10^6 many."""
        parameter, n = self._layout.varying[j], int(self.n_levels[j])
        if not 0 < n <= MAX_POINTS:
            number = f"{n} levels" if n else "infinitely many values"
            raise SpaceError(f"levels of {parameter.name!r} must be at most {MAX_POINTS}, it has {number}")
        if isinstance(parameter, Integer):
            return parameter.encode_column(parameter.low + parameter.step * np.arange(n))
        return np.arange(n) / (n - 1)

    @cached_property
    def size(self) -> int | None:
        """Number of distinct points, None if infinite; known constraints are not looked at."""
        needs = [self._layout.requires.get(p.name, ()) for p in self._layout.varying]
        return count_points(self.n_levels, needs)

    def enumerate(self) -> FloatArray:
        """Return every distinct feasible snapped point once, shape (N, d).

        They are sorted by the first column, then the second, and so on. SpaceError when
        :attr:`size` is infinite or above 10^6.
        """
        if self.size is None or self.size > MAX_POINTS:
            number = "infinitely many" if self.size is None else str(self.size)
            raise SpaceError(f"enumerate needs at most {MAX_POINTS} points, the space has {number}")
        levels = [self.levels(j) for j in range(self.d)]
        X = all_points(levels, [self._layout.requires.get(p.name, ()) for p in self._layout.varying])
        return X[self.feasible(X)]

    # --- checking what users give ----------------------------------------------------------------

    def validate(self, params: Params, *, strict: bool = True) -> dict[str, Value]:
        """Return params as plain Python values in the order of the space, or say what is wrong with them.

        Parameters
        ----------
        params : mapping
            The active parameters by name, and no others; constants may be left out and are filled
            in. Numpy scalars become plain values, whole floats become ints for Integer.
        strict : bool
            Also demand ranges, levels and known constraints. Without it numbers outside of the
            space are let through, except those that decide which parameters are active.

        Raises
        ------
        DataError
            Naming the parameter, the value and what would be right.
        """
        normal = check_params(self._layout, params, strict=strict)
        if strict:
            check_constraints(self.constraints, normal)
        return normal

    def is_complete(self, params: Params) -> bool:
        """Whether params give every parameter that is active there; constants may be missing."""
        return is_complete(self._layout, params)

    def partial(self, params: Params) -> dict[str, Value]:
        """Return some of the parameters as plain Python values in the order of the space.

        A conditional parameter brings along the parents that leave no choice. Known constraints are
        not looked at.

        Raises
        ------
        DataError
            For unknown names, values that are not in the space, parameters that are inactive given
            the others.

        Examples
        --------
        >>> from bbopt.space import Categorical, Integer
        >>> kernel = Categorical("kernel", ["rbf", "poly"])
        >>> space = Space([kernel, Integer("degree", 2, 5, when={"kernel": "poly"}), Integer("n", 1, 9)])
        >>> space.partial({"degree": 3.0})
        {'kernel': 'poly', 'degree': 3}
        """
        return partial_params(self._layout, params)

    def fix(self, params: Params) -> FloatArray:
        """Return :meth:`partial` params as the ``fixed`` of :meth:`sample`: shape (d,), nan where free.

        Raises
        ------
        DataError
            As in :meth:`partial`.
        """
        return fix_columns(self._layout, params)

    # --- plain data ------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON data; callable constraints by name only."""
        data: dict[str, Any] = {"parameters": [parameter.to_dict() for parameter in self.parameters]}
        if self.constraints:
            data["constraints"] = [constraint.to_json() for constraint in self.constraints]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], callables: Mapping[str, Function] | None = None) -> "Space":
        """Rebuild a space from :meth:`to_dict`.

        Parameters
        ----------
        data : mapping
            ``{"parameters": [{"type": "real", "name": "lr", "low": 1e-5, "high": 0.1, "log": true}],
            "constraints": ["x1 + 2*x2 <= 3"]}``.
        callables : mapping of str to callable, optional
            The constraints that are functions, by name: they are never stored.

        Raises
        ------
        SpaceError
            For malformed data, and for functions that are not supplied.
        """
        return cls(*space_from_dict(data, callables))

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, callables: Mapping[str, Function] | None = None) -> "Space":
        """Rebuild a space from :meth:`to_json`; see :meth:`from_dict`."""
        try:
            data = json.loads(text)
        except (TypeError, ValueError) as error:
            raise SpaceError(f"not a space in JSON: {error}") from error
        return cls.from_dict(data, callables)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    def __repr__(self) -> str:
        lines = "".join(f"    {parameter!r},\n" for parameter in self.parameters)
        rules = [c.text if isinstance(c, Formula) else c.function for c in self.constraints]
        return f"Space([\n{lines}]" + (f", constraints={rules!r})" if rules else ")")
