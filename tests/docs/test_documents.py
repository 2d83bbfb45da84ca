"""Every line of code that a reader is shown is run, with warnings as errors.

Each document runs in a process and a folder of its own, as it would for its reader.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(folder, *arguments, timeout=240):
    environment = {
        **os.environ,
        "MPLBACKEND": "Agg",
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def snippets(name):
    found = SNIPPET.findall((ROOT / name).read_text(encoding="utf-8"))
    assert found, f"{name} has no Python snippet"
    return "\n".join(found)


def assert_figures(folder, output, *names):
    """They are the only files left, and the output says where."""
    pictures = folder / "tutorial-figures"
    assert list(folder.iterdir()) == [pictures], "it left other files behind"
    assert sorted(path.name for path in pictures.iterdir()) == list(names)
    for name in names:
        assert f"figure: {(pictures / name).resolve()}" in output
        assert (pictures / name).stat().st_size > 10_000


# --- tutorials ---------------------------------------------------------------------------------------


def test_tutorial_ask_tell(tmp_path):
    output = run(tmp_path, ROOT / "tutorials" / "01_ask_tell.py")
    assert "3 pending" in output
    assert "holds another study" in output
    assert list(tmp_path.iterdir()) == [], "it left files behind"


def test_tutorial_surrogates_and_acquisitions(tmp_path):
    pytest.importorskip("matplotlib")
    output = run(tmp_path, ROOT / "tutorials" / "03_surrogates_and_acquisitions.py")
    assert "after 25 results EI is flat" in output
    assert_figures(tmp_path, output, "acquisitions.png", "kernels.png", "lengths.png")


def test_tutorial_your_own_parts(tmp_path):
    output = run(tmp_path, ROOT / "tutorials" / "03b_your_own_parts.py")
    assert "TestPortfolio: 9 tests passed" in output
    assert list(tmp_path.iterdir()) == [], "it left files behind"


def test_tutorial_other_libraries(tmp_path):
    pytest.importorskip("botorch")
    pytest.importorskip("sklearn")
    quietly = "-W", "ignore::DeprecationWarning"  # of importing torch itself
    output = run(tmp_path, *quietly, ROOT / "tutorials" / "03c_other_libraries.py")
    assert "distance from each optimum" in output
    assert list(tmp_path.iterdir()) == [], "it left files behind"


def test_tutorial_many_parameters(tmp_path):
    pytest.importorskip("matplotlib")
    output = run(tmp_path, ROOT / "tutorials" / "04_many_parameters.py")
    assert "by turns everywhere and in a trust region, for 100 columns" in output
    assert "as a local model" in output
    assert_figures(tmp_path, output, "hundred.png")


def test_tutorial_tune_a_model(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    output = run(tmp_path, ROOT / "tutorials" / "02_tune_a_model.py")
    assert "budget of 25 trials used" in output
    assert_figures(tmp_path, output, "convergence.png")


@pytest.mark.parametrize("path", sorted((ROOT / "tutorials").glob("0*.py")), ids=lambda path: path.name)
def test_tutorials_are_percent_scripts(path):
    cells = re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert cells[0] == "", "text before the first cell"
    for cell in cells[1:]:
        head, _, body = cell.partition("\n")
        assert head.strip() in ("", "[markdown]")
        is_prose = all(line.startswith("#") for line in body.strip().splitlines())
        assert is_prose == (head.strip() == "[markdown]"), cell


# --- the demo ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Two runs of a small demo: the first does the work, the second finds it done."""
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("demo")
    command = (ROOT / "tutorials" / "demo.py", "--budget", 8, "--seeds", 1)
    return folder, run(folder, *command), run(folder, *command)


def test_demo_is_killed_and_loses_nothing(demo):
    folder, first, _ = demo
    assert "SIGKILL" in first
    assert "Trials 0 to 7: each is there once, with a result. None was lost." in first
    assert (folder / "demo-out" / "convergence.png").stat().st_size > 10_000


def test_demo_second_run_only_shows(demo):
    _, first, second = demo
    assert "nothing is run again" in second
    assert "SIGKILL" not in second
    results = first[first.index("The best trials") :]
    assert second.endswith(results)


# --- snippets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_snippets(name, tmp_path):
    (tmp_path / "snippets.py").write_text(snippets(name), encoding="utf-8")
    run(tmp_path, "snippets.py")


def test_strategies_snippet_keeps_the_laws(tmp_path):
    """The strategy shown is put to the contract that it shows."""
    (tmp_path / "test_shown.py").write_text(snippets("docs/strategies.md"), encoding="utf-8")
    output = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shown.py")
    assert "passed" in output


LINKED = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "tutorials/*.py", "tutorials/*.md")
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("name", LINKED)
def test_links_lead_somewhere(name):
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{name} links to {target}"


# --- doctests ----------------------------------------------------------------------------------------

DOCTESTS = """
import doctest, importlib, pkgutil, warnings, bbopt

warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")  # of importing torch itself

modules = [bbopt, *(importlib.import_module(m.name) for m in pkgutil.walk_packages(bbopt.__path__, "bbopt."))]
results = [doctest.testmod(module) for module in modules]
print(sum(r.attempted for r in results), "lines,", sum(r.failed for r in results), "wrong, in", len(modules))
"""


def test_doctests(tmp_path):
    """All of bbopt, the problems among it, under the names that users import."""
    (tmp_path / "doctests.py").write_text(DOCTESTS, encoding="utf-8")
    output = run(tmp_path, "doctests.py")
    attempted, wrong = map(int, re.match(r"(\d+) lines, (\d+) wrong", output).groups())
    assert (attempted > 0, wrong) == (True, 0), output
