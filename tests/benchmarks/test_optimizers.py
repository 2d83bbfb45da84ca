"""The optimizers of the side-by-side comparison, through the pipe as its driver uses them."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbopt.space.reading import space_from_dict

OPTIMIZERS = Path(__file__).parents[2] / "benchmarks" / "compare" / "optimizers"
NAMES = (
    "random",
    "bbopt",
    "bbopt:sobol",
    "bbopt:conditions not told",
    "bbopt:failures told as the worst value",
    "Optuna TPE",
)


def _real(name, low, high, *, log=False, step=None, when=None):
    return _number("real", name, low, high, log, step, when)


def _integer(name, low, high, *, log=False, step=None, when=None):
    return _number("integer", name, low, high, log, step, when)


def _number(kind, name, low, high, log, step, when):
    numbers = {"low": low, "high": high, "log": log, "step": step}
    return {"name": name, "kind": kind, **numbers, "when": when or {}}


def _choice(name, choices, *, kind="categorical", when=None):
    return {"name": name, "kind": kind, "choices": choices, "when": when or {}}


SPACES = {
    "real": [_real("x", -5.0, 10.0), _real("y", 0, 15)],
    "mixed": [
        _real("rate", 1e-5, 1e-1, log=True),
        _real("share", 0.0, 0.3, step=0.1),
        _integer("n", 1, 9),
        _integer("width", 4, 256, log=True),
        _integer("size", 8, 60, step=8),
        _choice("batch", [16, 32, 64], kind="ordinal"),
        _choice("flag", [True, False]),
        _choice("only", ["one"]),
        {"name": "depth", "kind": "constant", "value": 3, "when": {"flag": [True]}},
    ],
    "finite": [_integer("x", 0, 9), _integer("y", 0, 9)],
    "conditional": [  # children before parents, and a chain of them
        _integer("degree", 2, 5, when={"kernel": ["poly"]}),
        _real("coef0", 0.0, 2.0, when={"kernel": ["poly", "sigmoid"]}),
        _choice("kernel", ["rbf", "poly", "sigmoid"], when={"model": ["svm"]}),
        _choice("model", ["svm", "mlp"]),
        _integer("layers", 1, 3, when={"model": ["mlp"]}),
        _real("z", 0.0, 1.0, when={"layers": [2, 3]}),
    ],
}


@pytest.fixture
def parameters(monkeypatch):
    """The module that adapters share."""
    monkeypatch.syspath_prepend(OPTIMIZERS)
    import parameters

    yield parameters
    del sys.modules["parameters"]


@pytest.fixture(scope="module")
def server():
    """A function that sends a request to one process and returns its answer."""
    process = subprocess.Popen(
        [sys.executable, OPTIMIZERS / "serve.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )

    def send(do, **request):
        process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        return json.loads(process.stdout.readline())

    yield send
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


def _start(server, optimizer, space, *, seed=0, budget=12, batch=1, noisy=False):
    run = {"seed": seed, "budget": budget, "batch": batch, "noisy": noisy}
    return server("start", optimizer=optimizer, parameters=SPACES[space], **run)


def _bbopts(space):
    """Return the space as bbopt reads it: whether params are in it, it says by its own rules."""
    from bbopt import Space

    def plain(p):
        given = {key: value for key, value in p.items() if key != "kind" and value is not None}
        return {"type": p["kind"], **given}

    return Space(space_from_dict({"parameters": [plain(p) for p in SPACES[space]]}, None)[0])


def _run(server, optimizer, space, n, *, batch=1, fails=(), **options):
    """Return the params of n evaluations; those whose numbers are in ``fails`` fail."""
    assert "error" not in _start(server, optimizer, space, budget=n, batch=batch, **options)
    asked = []
    while len(asked) < n:
        answer = server("ask", n=batch)
        assert len(answer["params"]) == batch
        numbered = enumerate(answer["params"], len(asked))
        results = [[params, None if k in fails else float(k % 5)] for k, params in numbered]
        assert "error" not in server("tell", results=results)
        asked += answer["params"]
    return asked


# --- the protocol ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", SPACES)
def test_answers_lie_in_the_space_and_hold_exactly_the_active_parameters(server, name, space):
    read = _bbopts(space)
    for params in _run(server, name, space, 12, batch=3, fails=(0, 1, 5)):
        assert read.validate(params) == params  # raises for what is superfluous, missing or out of range


@pytest.mark.parametrize("name", NAMES)
def test_runs_in_which_everything_fails_go_on(server, name):
    assert len(_run(server, name, "conditional", 8, fails=range(8))) == 8


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(server, name):
    first, again, other = (_run(server, name, "real", 6, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_every_change_to_bbopt_runs_and_leaves_nothing_behind(server, monkeypatch):
    monkeypatch.syspath_prepend(OPTIMIZERS)
    from with_bbopt import ABLATIONS, FLAT, NOISE, PENALTIES

    changed = [f"bbopt:{name}" for name in (*ABLATIONS, *NOISE, PENALTIES, FLAT)]
    alone = _run(server, "bbopt", "finite", 8)
    for name in changed:
        assert len(_run(server, name, "real", 7)) == 7
        assert _run(server, name, "finite", 8) == _run(server, name, "finite", 8)
    assert _run(server, "bbopt", "finite", 8) == alone


def test_start_tells_the_versions_of_what_runs(server):
    import optuna

    answer = _start(server, "Optuna TPE", "real")
    assert answer["versions"]["optuna"] == optuna.__version__
    assert answer["versions"]["python"].startswith("3.")


def test_every_answer_says_its_cpu_seconds_and_sleeping_costs_none(server):
    assert _start(server, "random", "real")["seconds"] < 1
    answers = server("ask", n=2000), server("tell", results=[])
    assert all(0 <= answer["seconds"] < 5 for answer in answers)
    assert answers[0]["seconds"] > answers[1]["seconds"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"do": "start", "optimizer": "magic", "parameters": [], "seed": 0, "budget": 5}, "magic"),
        (
            {"do": "start", "optimizer": "bbopt:magic", "parameters": SPACES["real"], "seed": 0, "budget": 5},
            "strategy 'magic' is unknown",
        ),
        ({"do": "ask", "n": "many"}, "TypeError"),
        ({"do": "dance"}, "dance"),
    ],
)
def test_a_crash_is_reported_and_the_server_goes_on(server, request_, message):
    _start(server, "random", "real")
    answer = server(**request_)
    assert "Traceback" in answer["error"]
    assert message in answer["error"]
    assert len(_run(server, "random", "real", 2)) == 2


def test_after_a_failed_start_nobody_answers_for_the_run_before(server):
    _start(server, "random", "real")
    assert "error" in server("start", optimizer="magic", parameters=[], seed=0, budget=5)
    assert "start one first" in server("ask", n=1)["error"]


def test_what_libraries_print_is_no_answer(tmp_path):
    (tmp_path / "chatty.py").write_text(
        "import os\nPACKAGES = ()\nclass Chatty:\n"
        "    def __init__(self, task): print('hello'); os.system('echo from below')\n"
        "    def ask(self, n): print('thinking'); return [{'x': 1.0, 'y': 0.0}] * n\n"
        "    def tell(self, results): os.write(1, b'raw')\n"
    )
    code = (
        f"import sys; sys.path[:0] = [{str(OPTIMIZERS)!r}, {str(tmp_path)!r}]\n"
        "import registry, serve\nregistry.OPTIMIZERS['chatty'] = ('chatty:Chatty', '')\nserve.main()"
    )
    requests = [
        {"do": "start", "optimizer": "chatty", "parameters": [], "seed": 0, "budget": 1},
        {"do": "ask", "n": 1},
    ]
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        check=True,
    )
    started, asked = map(json.loads, done.stdout.splitlines())
    assert "versions" in started
    assert asked["params"] == [{"x": 1.0, "y": 0.0}]


# --- the unit cube ---------------------------------------------------------------------------------


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("space", SPACES)
def test_what_the_cube_decodes_it_encodes_to_the_same_params(parameters, space, one_hot):
    cube, read = parameters.Cube(parameters.Space(SPACES[space]), one_hot), _bbopts(space)

    @settings(max_examples=50)
    @given(st.lists(st.floats(0, 1), min_size=cube.d, max_size=cube.d))
    def round_trip(row):
        params = cube.decode(row)
        assert read.validate(params) == params
        again = cube.decode(cube.encode(params))
        assert again.keys() == params.keys()
        for name, value in params.items():
            assert type(again[name]) is type(value)
            close = pytest.approx(value, rel=1e-12, abs=1e-12) if isinstance(value, float) else value
            assert again[name] == close

    round_trip()


@pytest.mark.parametrize("p", [p for space in SPACES.values() for p in space if p["kind"] != "constant"])
def test_uniform_places_make_values_equally_likely_on_their_scale(parameters, p):
    n, places = parameters.n_levels(p), np.linspace(0, 1, 2001)[:-1]
    drawn = [parameters.decode(p, float(u)) for u in places]
    if p.get("log") and p["kind"] == "real":
        assert drawn == pytest.approx(np.geomspace(p["low"], p["high"], 2001)[:-1])
    elif p.get("log"):  # k owns the logarithms from k - 1/2 to k + 1/2
        levels = np.arange(p["low"], p["high"] + 1)
        ends = np.log([levels - 0.5, levels + 0.5])
        shares = (ends[1] - ends[0]) / (ends[1, -1] - ends[0, 0])
        assert [drawn.count(k) for k in levels] == pytest.approx(2000 * shares, abs=1)
    elif n < math.inf:
        counts = [drawn.count(value) for value in parameters.values(p)]
        assert sum(counts) == 2000
        assert max(counts) - min(counts) <= 1
    else:
        assert drawn == pytest.approx(np.linspace(p["low"], p["high"], 2001)[:-1])


def test_levels_are_those_of_bbopt(parameters):
    read = {p.name: p for p in _bbopts("mixed").parameters}
    for p in SPACES["mixed"]:
        if p.get("step") is not None:
            levels = [read[p["name"]].decode(u) for u in np.linspace(0, 1, read[p["name"]].n_levels)]
            assert parameters.values(p) == levels


def test_inactive_parameters_stand_in_the_middle_and_one_hot_columns_at_one(parameters):
    cube = parameters.Cube(parameters.Space(SPACES["conditional"]), one_hot=True)
    row = cube.encode({"model": "mlp", "layers": 1})
    # degree, coef0, three of kernel, two of model, layers, z
    assert row == [0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 1.0, pytest.approx(1 / 6), 0.5]


def test_what_cannot_vary_has_no_column_but_is_answered_where_it_is_active(parameters):
    space = parameters.Space(SPACES["mixed"])
    assert parameters.Cube(space).d == 7
    rest = {p["name"]: parameters.decode(p, 0.5) for p in space.free}
    assert space.active({**rest, "flag": True})["depth"] == 3
    assert "depth" not in space.active({**rest, "flag": False})
    assert space.active(rest)["only"] == "one"


def test_codes_stand_for_values(parameters):
    for p in SPACES["mixed"]:
        if p["kind"] != "constant":
            value = parameters.decode(p, 0.7)
            code = parameters.to_code(p, value)
            assert parameters.from_code(p, np.float64(code)) == value
            assert type(parameters.from_code(p, np.float64(code))) is type(value)


# --- failures --------------------------------------------------------------------------------------


def test_failures_wait_for_a_success_and_then_are_the_worst_so_far(monkeypatch):
    monkeypatch.syspath_prepend(OPTIMIZERS)
    from failures import Failures

    failures = Failures()
    assert failures.settle(["a", "b"], [({}, None), ({}, None)]) == []
    assert failures.held == ["a", "b"]
    assert failures.settle(["c"], [({}, 2.0)]) == [("c", 2.0, False), ("a", 2.0, True), ("b", 2.0, True)]
    assert failures.settle(["d", "e"], [({}, 1.0), ({}, None)]) == [("d", 1.0, False), ("e", 2.0, True)]
