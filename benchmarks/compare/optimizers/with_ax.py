"""Ax, the platform around BoTorch."""

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
from parameters import conditions, from_code, has_code, is_log, n_levels, to_code

PACKAGES = ("ax-platform", "botorch", "gpytorch", "torch", "numpy", "scipy")


class Ax:
    """``Client`` with its default generation strategy: the centre, a few Sobol points, BoTorch models.

    Results are told as plain numbers, as its tutorials do, so the noise is inferred; failures by
    ``mark_trial_failed``; batches come of one ``get_next_trials``. Choices and numbers in steps are given by
    their indices. A parameter active under a single value of one choice is a dependent parameter, what Ax
    knows of conditions; one with other conditions is always suggested, and dropped where it is inactive.
    """

    def __init__(self, task):
        self.space = task.space
        self.client = Client(random_seed=task.seed)
        self.client.configure_experiment([self._config(p) for p in self.space.free])
        self.client.configure_optimization("-value")

    def ask(self, n):
        self.trials = {}
        while len(self.trials) < n:
            more = self.client.get_next_trials(n - len(self.trials))
            if not more:
                raise RuntimeError(f"Ax gave {len(self.trials)} trials of {n}")
            self.trials.update(more)
        return [self._params(codes) for codes in self.trials.values()]

    def tell(self, results):
        for index, (_, value) in zip(self.trials, results, strict=True):
            if value is None:
                self.client.mark_trial_failed(index)
            else:
                self.client.complete_trial(index, {"value": value})

    def _params(self, codes):
        given = {name: from_code(self.space.by_name[name], code) for name, code in codes.items()}
        return self.space.active(given)

    def _config(self, p):
        if "choices" in p:
            codes = list(range(len(p["choices"])))
            if p["kind"] == "ordinal":
                return ChoiceParameterConfig(p["name"], codes, "int", True, self._dependents(p))
            return ChoiceParameterConfig(p["name"], [*map(str, codes)], "str", None, self._dependents(p))
        if has_code(p):
            return RangeParameterConfig(p["name"], (0, n_levels(p) - 1), "int")
        kind = "int" if p["kind"] == "integer" else "float"
        return RangeParameterConfig(
            p["name"], (p["low"], p["high"]), kind, scaling="log" if is_log(p) else "linear"
        )

    def _dependents(self, p):
        """Return {code of a value: the names that are active under it}, None where there are none."""
        dependents = {}
        for child in self.space.free:
            match list(conditions(child).items()):
                case [(parent, [value])] if parent == p["name"]:
                    code = to_code(p, value)
                    dependents.setdefault(code if p["kind"] == "ordinal" else str(code), []).append(
                        child["name"]
                    )
        return dependents or None
