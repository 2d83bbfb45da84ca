"""The package as a whole: what is loaded when, what is public, what a missing extra says."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import bbopt

ROOT = Path(bbopt.__file__).parent
HEAVY = ("torch", "gpytorch", "botorch", "pymoo", "pandas", "matplotlib", "sklearn", "scipy.stats", "tqdm")


def loaded_after(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_bbopt_loads_nothing():
    modules = loaded_after("import bbopt")
    assert not {"numpy", "scipy", *HEAVY} & modules


def test_a_whole_study_loads_nothing_heavy():
    modules = loaded_after(
        "from bbopt import *\n"
        "study = minimize(lambda p: p['x'] ** 2, [Real('x', -1, 1)], 8, seed=0)\n"
        "study.best(); study.recommend(); study.explain(7)"
    )
    assert not set(HEAVY) & modules
    assert "scipy.linalg" in modules


def test_designs_need_no_scipy():
    modules = loaded_after(
        "from bbopt import Real, Study\nfor name in ('random', 'sobol', 'lhs', 'grid'):\n"
        "    Study([Real('x', -1, 1)], strategy=name, seed=0).ask(3)"
    )
    assert "scipy" not in modules


def test_public_names_exist_and_are_all():
    for name in bbopt.__all__:
        assert getattr(bbopt, name) is not None
    assert set(bbopt.__all__) <= set(dir(bbopt))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bbopt.nothing
    assert (ROOT / "py.typed").exists()


@pytest.mark.parametrize("name", ["bbopt.acquisitions", "bbopt.surrogates"])
def test_parts_are_found_by_name_and_loaded_when_used(name):
    assert not {"numpy", "scipy", *HEAVY} & loaded_after(f"import {name}")
    module = import_module(name)
    for part in module.__all__:
        assert getattr(module, part) is getattr(import_module(getattr(module, part).__module__), part)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"'{name}' has no attribute 'nothing'"):
        _ = module.nothing


def test_parts_that_need_an_extra_are_not_among_those_that_a_star_imports(monkeypatch):
    assert not set(HEAVY) & loaded_after("from bbopt.acquisitions import *\nfrom bbopt.surrogates import *")
    monkeypatch.setitem(sys.modules, "bbopt.surrogates.sklearn", None)
    monkeypatch.delitem(vars(import_module("bbopt.surrogates")), "SklearnModel", raising=False)
    with pytest.raises(ImportError):
        from bbopt.surrogates import SklearnModel  # noqa: F401


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    study = bbopt.Study([bbopt.Real("x", 0, 1)], strategy="random")
    with pytest.raises(
        bbopt.MissingExtra, match=r"pandas, which bbopt's extra \[plot\] brings: pip install pandas"
    ):
        study.to_dataframe()


def test_no_code_is_loaded_from_data():
    """No pickle, eval, exec or the like anywhere: reading a journal can run nothing."""
    banned_modules = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    banned_calls = {"eval", "exec", "compile", "__import__"}
    for path in [*ROOT.rglob("*.py"), *(ROOT / "problems").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not banned_modules & {alias.name.split(".")[0] for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in banned_modules, path
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in banned_calls, f"{path}:{node.lineno}"
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path
