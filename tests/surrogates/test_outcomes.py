"""Outcome transforms: every kind at every scale, against SciPy and closed forms, there and back."""

import subprocess
import sys
from math import log1p

import numpy as np
import pytest
from scipy import stats

from bbopt.errors import DataError
from bbopt.surrogates.outcomes import AUTO, KINDS, choose, learn, possible

POSITIVE = ("box-cox", "log")
ANY = tuple(kind for kind in KINDS if kind not in POSITIVE)
SMOOTH = tuple(kind for kind in KINDS if kind not in ("rank", "winsorize"))
_GENERATOR = np.random.default_rng(0)
SKEWED = np.exp(1.5 * _GENERATOR.standard_normal(40))
"""Positive, all different, with a bad tail."""
AWKWARD = {
    "one": np.array([3.0]),
    "two": np.array([1.0, 2.0]),
    "ties": np.round(_GENERATOR.standard_normal(30)),
    "plateau": np.minimum(_GENERATOR.random(40), 0.3),
    "plateau of good ones": np.maximum(_GENERATOR.random(40), 0.7),
    "huge": 1e300 * _GENERATOR.standard_normal(20),
    "opposite": np.array([-1.7e308, 1.7e308, 0.0, 1.0, -1.7e308]),
    "tiny": 1e-300 * _GENERATOR.standard_normal(20),
    "subnormal": 5e-324 * _GENERATOR.integers(0, 9, 20),
    "one terrible": np.append(_GENERATOR.random(20), 1e300),
    "one wonderful": np.append(_GENERATOR.random(20), -1e300),
    "one wonderful, ties": np.array([0.0, 0, 1, 1, 0, 1, 1, -1.7e308]),
    "one terrible, others tiny": np.append(1e-310 * _GENERATOR.random(20), 1.0),
    "all magnitudes": 10.0 ** _GENERATOR.uniform(-308, 308, 50) * _GENERATOR.choice([-1, 1], 50),
    "offset": 1e9 + 1e-3 * _GENERATOR.standard_normal(30),
    "skewed": SKEWED,
}


def told(name, kind):
    """Awkward outcomes; kinds that want positive ones get their magnitudes."""
    y = AWKWARD[name]
    return np.maximum(np.abs(y), 5e-324) if kind in POSITIVE else y


def width(y):
    """The median minus the 10% quantile, as order statistics."""
    ordered = np.sort(y)
    return ordered[(len(y) - 1) // 2] - ordered[len(y) // 10]


def bent(value, knee, spread):
    """One value under the logarithms of "tail"."""
    if value <= knee:
        return value
    u = log1p((value - knee) / spread)
    return knee + spread * (u if u <= 3 else 3 + log1p(u - 3))


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("kind", KINDS)
def test_model_units_are_finite_standard_and_in_order(kind, name):
    y = told(name, kind)
    z, outcome = learn(y, kind)
    assert outcome.name == kind
    assert np.isfinite(z).all()
    if len(set(y.tolist())) > 1:
        rounding = 2e-3 if name == "offset" else 1e-6  # a millionth of 1e9 is a millionth of the signal
        assert z.mean() == pytest.approx(0, abs=rounding)
        assert z.std() == pytest.approx(1, abs=rounding)
    assert (np.diff(z[np.argsort(y)]) >= -1e-12).all()
    assert name == "subnormal" or np.abs(outcome(y) - z).max() < 2e-3
    queries = np.sort(np.concatenate([z, _GENERATOR.normal(0, 3, 20), [-60.0, 60.0]]))
    back = outcome.inverse(queries)
    assert np.isfinite(back).all()
    assert (np.diff(back / 4) >= -1e-12 * np.abs(back).max()).all()
    sd, variance = outcome.inverse_sd(queries, np.full(len(queries), 0.5)), outcome.variance(y**0, z)
    assert np.isfinite(sd).all()
    assert (sd >= 0).all()
    assert np.isfinite(variance).all()
    assert (variance >= 0).all()
    assert np.isfinite(outcome.log_slope(y)).all()
    assert np.isfinite(outcome(np.array([-1.7e308, -1.0, 0.0, 1e-320, 1.0, 1.7e308]))).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [3.5, 1e300, 1e-320])
def test_constant_outcomes_become_zero(kind, value):
    z, outcome = learn(np.full(5, value), kind)
    np.testing.assert_array_equal(z, 0.0)
    np.testing.assert_allclose(outcome.inverse(z), value)
    np.testing.assert_array_equal(learn(np.empty(0), kind)[0], [])


@pytest.mark.parametrize("value", [0.0, -2.0])
@pytest.mark.parametrize("kind", ANY)
def test_constants_may_be_zero_or_negative(kind, value):
    z, outcome = learn(np.full(5, value), kind)
    np.testing.assert_array_equal(z, 0.0)
    np.testing.assert_allclose(outcome.inverse(z), value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_told_comes_back(kind):
    z, outcome = learn(SKEWED, kind)
    order = np.argsort(SKEWED)
    assert (np.diff(z[order]) > 0).all()
    np.testing.assert_allclose(outcome(SKEWED), z, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(outcome.inverse(z), SKEWED, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 7.0, 1e12, 1e300])
@pytest.mark.parametrize("kind", KINDS)
def test_units_do_not_matter(kind, scale):
    np.testing.assert_allclose(learn(SKEWED * scale, kind)[0], learn(SKEWED, kind)[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ANY)
def test_neither_unit_nor_zero_matters(kind):
    np.testing.assert_allclose(
        learn(0.3 * SKEWED - 50.0, kind)[0], learn(SKEWED, kind)[0], rtol=1e-9, atol=1e-9
    )


def test_one_huge_value_leaves_the_rest_its_resolution():
    y = np.concatenate([np.linspace(0, 1, 20), [1e20]])
    for kind in ("tail", "rank", "winsorize"):
        z, _ = learn(y, kind)
        assert z[-1] == z.max()
        assert np.ptp(z[:20]) > 0.8
    assert np.ptp(learn(y, "yeo-johnson")[0][:20]) > 0.05
    assert np.ptp(learn(y, "standardize")[0][:20]) == 0.0


def test_tail_is_linear_to_the_knee_then_logarithmic_then_twice_logarithmic():
    y = np.concatenate([np.linspace(-1, 1, 30), [3.0, 9.0, 1e3, 1e9]])
    spread = width(y)
    knee = np.sort(y)[(len(y) - 1) // 2] + spread

    s = np.array([bent(value, knee, spread) for value in y])
    z, outcome = learn(y, "tail")
    np.testing.assert_allclose(z, (s - s.mean()) / s.std(), rtol=1e-10, atol=1e-12)
    wonderful = np.append(y[:30], -1e6)
    np.testing.assert_allclose(
        learn(wonderful, "tail")[0][-1], (-1e6 - wonderful.mean()) / wonderful.std(), rtol=1e-5
    )
    np.testing.assert_allclose(outcome.inverse(np.array([1e6])), [1e10], rtol=1e-2)  # ten times the largest


@pytest.mark.parametrize(
    "y",
    [
        SKEWED,
        -SKEWED,
        _GENERATOR.standard_normal(60),
        _GENERATOR.gumbel(size=25),
        -np.sqrt(_GENERATOR.random(200)),
        _GENERATOR.standard_t(3, size=12),
    ],
)
def test_yeo_johnson_is_that_of_scipy_on_robustly_scaled_outcomes(y):
    t = (y - np.sort(y)[(len(y) - 1) // 2]) / width(y)
    z, outcome = learn(y, "yeo-johnson")
    power = float(np.clip(stats.yeojohnson_normmax(t), 0.0, 2.0))
    assert outcome.shape.power == pytest.approx(power, abs=2e-3)
    s = stats.yeojohnson(t, lmbda=outcome.shape.power)
    np.testing.assert_allclose(z, (s - s.mean()) / s.std(), rtol=1e-9, atol=1e-9)


def test_yeo_johnson_powers_stay_where_every_model_value_has_an_outcome():
    heavy = np.exp(4 * np.random.default_rng(1).standard_normal(50))
    for y, power in ((heavy, 0.0), (-heavy, 2.0)):
        t = (y - np.median(y)) / width(y)
        assert not 0.0 <= stats.yeojohnson_normmax(t) <= 2.0
        outcome = learn(y, "yeo-johnson")[1]
        assert outcome.shape.power == power
        z = np.linspace(-1.5, 1.5, 20)
        np.testing.assert_allclose(outcome(outcome.inverse(z)), z, atol=1e-9)


@pytest.mark.parametrize("y", [SKEWED, np.where(SKEWED > 3, 1e6 + SKEWED, SKEWED)])
def test_power_tail_is_a_tail_on_yeo_johnson(y):
    z, outcome = learn(y, "power-tail")
    t = (y - np.sort(y)[(len(y) - 1) // 2]) / width(y)
    power = learn(y, "yeo-johnson")[1].shape.power
    s = stats.yeojohnson(t, lmbda=power)
    spread = width(s)
    s = np.array([bent(value, np.sort(s)[(len(s) - 1) // 2] + spread, spread) for value in s])
    np.testing.assert_allclose(z, (s - s.mean()) / s.std(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(outcome.inverse(z), y, rtol=1e-9)


def test_no_power_closes_the_gap_below_a_cliff_but_a_tail_on_it_does():
    y = np.append(np.linspace(0, 1, 20), np.full(8, 1e9))
    assert np.ptp(learn(y, "power-tail")[0][:20]) > 2 * np.ptp(learn(y, "yeo-johnson")[0][:20])


@pytest.mark.parametrize("y", [SKEWED, SKEWED**2, 3 + _GENERATOR.random(30), 1 / SKEWED, SKEWED**0.2 * 1e5])
def test_box_cox_is_that_of_scipy(y):
    z, outcome = learn(y, "box-cox")
    power = float(np.clip(stats.boxcox_normmax(y, method="mle"), -1.0, 2.0))
    assert outcome.shape.power == pytest.approx(power, abs=2e-3)
    s = stats.boxcox(y, lmbda=outcome.shape.power)
    np.testing.assert_allclose(z, (s - s.mean()) / s.std(), rtol=1e-7, atol=1e-7)


def test_log_is_the_logarithm_and_its_inverse_is_positive():
    z, outcome = learn(SKEWED, "log")
    s = np.log(SKEWED)
    np.testing.assert_allclose(z, (s - s.mean()) / s.std(), rtol=1e-12, atol=1e-12)
    for kind in POSITIVE:
        _, outcome = learn(SKEWED, kind)
        far = outcome.inverse(np.array([-1e3, 1e3]))
        assert SKEWED.min() / 10.001 <= far[0] < SKEWED.min()
        assert SKEWED.max() < far[1] <= SKEWED.max() * 10.001


def test_rank_gives_normal_scores_and_straight_lines_between():
    y = np.array([4.0, 1.0, 2.0, 2.0, 100.0, 7.0])
    scores = stats.norm.ppf((stats.rankdata(y) - 0.375) / 6.25)
    z, outcome = learn(y, "rank")
    np.testing.assert_allclose(z, (scores - scores.mean()) / scores.std(), atol=1e-12)
    np.testing.assert_allclose(
        outcome(np.array([3.0, 1.25])), [z[2:1:-1].mean() / 2 + z[0] / 2, 0.75 * z[1] + 0.25 * z[2]]
    )
    for beyond in (np.array([0.0, -1.0, -2.0]), np.array([200.0, 300.0, 400.0])):
        there = outcome(beyond)
        np.testing.assert_allclose(there[0] - there[1], there[1] - there[2])
        np.testing.assert_allclose(outcome.inverse(there), beyond)


def test_rank_expects_that_there_is_something_below_two_best_that_agree():
    y = np.concatenate([[0.0, 1e-12], np.linspace(1, 2, 20)])
    z, outcome = learn(y, "rank")
    assert outcome.inverse(z[:1] - 0.5)[0] < -0.1


def test_many_ranks_are_recorded_by_few_knots_and_the_best_by_all():
    y = np.random.default_rng(2).standard_normal(3000)
    z, outcome = learn(y, "rank")
    assert len(outcome.shape.t) <= 128
    scores = stats.norm.ppf((stats.rankdata(y) - 0.375) / 3000.25)
    reference = (scores - scores.mean()) / scores.std()
    best = np.argsort(y)[:10]
    np.testing.assert_allclose(z[best], reference[best], atol=0.01)
    assert np.abs(z - reference).max() < 0.2


def test_winsorize_is_affine_to_the_cap_and_nearly_flat_above():
    y = np.concatenate([np.linspace(0, 1, 40), [4.0, 5.0, 1e6]])
    z, outcome = learn(y, "winsorize")
    spread = width(y)
    cap = np.sort(y)[21] + 2 * spread
    below = y < cap
    slopes = np.diff(z[below]) / np.diff(y[below])
    np.testing.assert_allclose(slopes, slopes[0])
    top = outcome(np.array([cap]))[0]
    assert (np.diff(z) > 0).all()
    assert z[-1] - top == pytest.approx(0.1 * spread * slopes[0])
    nearby = np.concatenate([np.linspace(0, 1, 40), [4.0, 5.0]])  # no cap needs to be flatter than 1/1000
    z, outcome = learn(nearby, "winsorize")
    assert (z[41] - z[40]) / (z[1] - z[0]) * (nearby[1] - nearby[0]) == pytest.approx(1e-3)
    tame = np.linspace(0, 1, 40)
    np.testing.assert_allclose(learn(tame, "winsorize")[0], learn(tame, "standardize")[0], atol=1e-12)


def test_predictions_at_the_cap_are_unsure_by_what_was_capped():
    y = np.concatenate([np.linspace(0, 1, 40), [4.0, 50.0]])
    z, outcome = learn(y, "winsorize")
    at, sd = z[40:41], np.array([0.3])
    assert outcome.inverse_sd(at, sd)[0] > 20
    assert outcome.inverse_sd(z[:1], sd)[0] < 1


@pytest.mark.parametrize("kind", SMOOTH)
def test_slopes_are_those_of_differences(kind):
    z, outcome = learn(SKEWED, kind)
    h = 1e-6
    slope = (outcome.inverse(z + h) - outcome.inverse(z - h)) / (2 * h)
    np.testing.assert_allclose(outcome.inverse_sd(z, np.full(len(z), 0.1)), 0.1 * slope, rtol=1e-5)
    np.testing.assert_allclose(outcome.log_slope(SKEWED), -np.log(slope), atol=1e-5)
    np.testing.assert_allclose(outcome.variance(slope**2, z), 1.0, rtol=1e-5)
    assert np.isnan(outcome.variance(np.array([np.nan]), z[:1])).all()


@pytest.mark.parametrize("kind", ["rank", "winsorize"])
def test_where_there_are_corners_deviations_are_chords(kind):
    z, outcome = learn(SKEWED, kind)
    sd = np.full(len(z), 0.4)
    chord = (outcome.inverse(z + sd) - outcome.inverse(z - sd)) / 2
    np.testing.assert_allclose(outcome.inverse_sd(z, sd), chord, rtol=1e-9)
    back = (outcome(SKEWED + 0.2) - outcome(SKEWED - 0.2)) / 2
    np.testing.assert_allclose(outcome.variance(np.full(len(z), 0.04), z), back**2, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_slopes_turn_a_density_of_z_into_one_of_y(kind):
    """A standard Gaussian in model units is a density of y: it integrates to its share between two y."""
    _, outcome = learn(SKEWED, kind)
    knots = np.sort(SKEWED)
    edges = np.unique(np.concatenate([knots, np.geomspace(knots[0], knots[-1], 40_001)]))
    middle = (edges[1:] + edges[:-1]) / 2
    density = stats.norm.pdf(outcome(middle)) * np.exp(outcome.log_slope(middle))
    low, high = outcome(knots[[0, -1]])
    share = stats.norm.cdf(high) - stats.norm.cdf(low)
    assert density @ np.diff(edges) == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize("kind", POSITIVE)
@pytest.mark.parametrize("smallest", [0.0, -3.25])
def test_logarithms_want_positive_outcomes_and_say_which_is_not(kind, smallest):
    with pytest.raises(DataError, match=rf'"{kind}".*smallest is {smallest}'):
        learn(np.array([1.0, smallest, 2.0]), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_where_results_rule_a_kind_out_another_one_is_possible(kind):
    for y in (np.array([1.0, 0.0, 2.0]), -SKEWED, SKEWED, np.empty(0)):
        instead = possible(kind, y)
        assert np.isfinite(learn(y, instead)[0]).all()
        is_ruled_out = kind in ("box-cox", "log") and len(y) > 0 and y.min() <= 0
        assert (instead != kind) == is_ruled_out


def test_unknown_kinds_are_refused_with_those_there_are():
    with pytest.raises(DataError, match=r"yeo-johnson.*'power'"):
        learn(SKEWED, "power")


def gaussian(z, outcome):
    """A model for which outcomes are independent and standard in model units."""
    return float(stats.norm.logpdf(z).sum())


def normality(y, kind):
    """The log density of y under that model, by differences."""
    z, outcome = learn(y, kind)
    h = 1e-6 * np.abs(y).max()
    slope = (outcome(y + h) - outcome(y - h)) / (2 * h)
    return gaussian(z, outcome) + float(np.log(slope).sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bend", [lambda x: x, lambda x: np.exp(2 * x), lambda x: -np.exp(x)])
def test_auto_takes_the_kind_that_makes_the_outcomes_most_probable(seed, bend):
    y = bend(np.random.default_rng(seed).standard_normal(60))
    densities = {kind: normality(y, kind) - 3.0 * (kind != AUTO[0]) for kind in AUTO}
    z, outcome = choose(y, gaussian)
    assert outcome.name == max(densities, key=densities.get)
    np.testing.assert_array_equal(z, learn(y, outcome.name)[0])


def test_a_kind_stays_until_another_is_better_by_the_margin():
    y = np.random.default_rng(0).standard_normal(30)
    base = {kind: learn(y, kind)[1].log_slope(y).sum() for kind in AUTO}
    for held in AUTO:
        for lead, wins in ((2.9, False), (3.1, True)):
            other = next(kind for kind in AUTO if kind != held)
            scores = {held: 0.0, other: lead}

            def score(z, outcome, scores=scores):
                return scores.get(outcome.name, -50.0) - base[outcome.name]

            assert choose(y, score, held)[1].name == (other if wins else held)


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_without_any_density_the_kind_in_use_stays(value):
    assert choose(SKEWED, lambda z, outcome: value, "standardize")[1].name == "standardize"
    assert choose(SKEWED, lambda z, outcome: value)[1].name == "power-tail"
    assert choose(SKEWED, lambda z, outcome: value, "rank")[1].name == "power-tail"


def test_copies_of_an_outcome_do_not_outvote_the_others():
    """Twenty copies of a bad outcome, counted one by one, would choose the map that is steepest there."""
    y = np.exp(2 * np.random.default_rng(3).standard_normal(40))
    copied = np.concatenate([y, np.full(20, y.max())])
    steepness = {kind: learn(copied, kind)[1].log_slope(y.max()) for kind in AUTO}
    assert 20 * (steepness["standardize"] - steepness["tail"]) > 10

    def score(z, outcome):
        return (10.0 if outcome.name == "tail" else 0.0) - float(outcome.log_slope(np.unique(y)).sum())

    assert choose(copied, score, "standardize")[1].name == "tail"


def test_a_process_prefers_the_scale_on_which_its_function_is_smooth():
    """With y = exp(4 f), f a smooth draw, an affine map is far less probable than a power."""
    generator = np.random.default_rng(5)
    x = np.linspace(0, 1, 40)
    K = np.exp(-0.5 * ((x[:, None] - x) / 0.15) ** 2) + 1e-6 * np.eye(40)
    L = np.linalg.cholesky(K)
    y = np.exp(4 * L @ generator.standard_normal(40))

    def score(z, outcome):
        white = np.linalg.solve(L, z)
        return -0.5 * float(white @ white) - float(np.log(np.diag(L)).sum())

    assert choose(y, score, "standardize")[1].name != "standardize"
    assert choose(np.log(y), score, "standardize")[1].name == "standardize"


def test_scipy_stats_is_not_loaded():
    code = "import sys, bbopt.surrogates.outcomes; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
