"""Why a trial was proposed, in words, from what its ask noted in the tag."""

from typing import Any

import numpy as np

from bbopt.data.trial import Trial
from bbopt.space import Space
from bbopt.space.constraints import Formula
from bbopt.spec import Spec
from bbopt.strategies.auto import Auto
from bbopt.strategies.strategy import AnyStrategy

_AT_AN_END = 1e-6
_DOUBTFUL = 0.01
_OUTCOMES = {
    "standardize": "centred and scaled",
    "tail": "bad ones compressed by a logarithm",
    "yeo-johnson": "made more normal by the Yeo-Johnson power {power:.3g}",
    "power-tail": "made more normal by the Yeo-Johnson power {power:.3g}, bad ones compressed by a logarithm",
    "box-cox": "made more normal by the Box-Cox power {power:.3g}",
    "log": "as their logarithms",
    "rank": "as the normal scores of their ranks",
    "winsorize": "capped where far worse than the median",
}


def explain(trial: Trial, strategy: AnyStrategy, spec: Spec) -> str:
    """Say in words why a trial was proposed.

    What ``auto`` chose. For a suggestion of a model: what it expected there and how sure it was, how not
    knowing counted, which known constraints and ends of ranges hold it back, and what fell back to something
    simpler, and why.
    """
    tag = _flat(trial.tag)
    where = f"Trial {trial.number}: "
    if "enqueued" in tag:
        return where + "you asked for these params (enqueue)."
    if "retry_of" in tag:
        return (
            where
            + f"trial {tag['retry_of']} came to nothing (its lease expired, or it was never handed out), "
            "so its params were tried again."
        )
    if "added" in tag:
        return where + "added from elsewhere."
    parts = [f"auto chose {strategy.choose(spec)[1]}"] if isinstance(strategy, Auto) else []
    parts += _origin(tag)
    if "mean" in tag:
        parts += _promise(tag, spec)
        parts += _edges(trial, spec.space)
    if "chance" in tag:
        chance = f"its chance not to fail is put at {tag['chance']:.0%}"
        if tag.get("doubt", 0.0) >= _DOUBTFUL:
            chance += (
                f", if it depends on the place: after so few failures that is doubted ({tag['doubt']:.0%})"
            )
        parts.append(chance)
    if tag.get("held"):  # constants alone may have been fixed
        parts.append(f"{listed(tag['held'])} {'was' if len(tag['held']) == 1 else 'were'} fixed by you")
    if "failures_ignored" in tag:
        reason = tag["failures_ignored"]
        parts.append(f"failures were not looked at, because no model of them could be fitted: {reason}")
    if "one_by_one" in tag:
        parts.append(f"the batch was chosen one point after the other: {tag['one_by_one']}")
    if "fallback" in tag:
        model = "" if "region" in tag else "no model could be used: "  # a region has one, but found no point
        parts.append(f"a random point, because {model}{tag['fallback']}")
    if "replicate_of" in tag:
        parts.append(f"a repeat of trial {tag['replicate_of']}, since no new point was left")
    return where + ("; ".join(parts) if parts else f"proposed by {type(strategy).__name__}") + "."


def _origin(tag: dict[str, Any]) -> list[str]:
    """Return what designs and populations noted."""
    parts = []
    if "index" in tag:
        parts.append(f"point {tag['index']} of a space-filling sequence; results were not looked at")
    if "thin" in tag:
        parts.append("a random feasible point, since a space-filling sequence hardly ever meets one here")
    if "cell" in tag:
        parts.append(f"cell {tag['cell']} of a grid")
    if "generation" in tag:
        parts.append(f"member {tag['member']} of generation {tag['generation']} of the population")
    if "fill" in tag:
        parts.append("a spare point: all members of this generation were out")
    if "region" in tag and "fallback" not in tag:
        parts.append(_region(tag))
    if "projected" in tag:
        parts.append(str(tag["projected"]))
    return parts


def _region(tag: dict[str, Any]) -> str:
    """Return which trust region asked, and how far from its centre it looks."""
    which = f"trust region {tag['region']}"
    if tag["epoch"]:
        which += ", begun anew once" if tag["epoch"] == 1 else f", begun anew {tag['epoch']} times"
    if "length" not in tag:
        return f"it belongs to the design of {which}"
    text = (
        f"it lies in {which}: a box about its best point with sides of about {tag['length']:.3g}, 1 being all"
    )
    if "bins" in tag:
        text += f", in {_counted(tag['bins'], 'bin')} of parameters that move together"
    return text


def _promise(tag: dict[str, Any], spec: Spec) -> list[str]:
    """Return what the model expected, and why that was promising."""
    name, expected = spec.objectives[0].name, tag["mean"] * spec.sign[0]
    parts = [f"the model expected {name} = {expected:.6g} ± {tag['sd']:.2g} here"]
    found = f"the largest {tag['by']}{' less the risk of failing' if 'chance' in tag else ''} found"
    if "acquisition" in tag:
        found += f", {tag['acquisition']:.3g}"
    what = "trade of promise and doubt"
    if tag["by"] == "Thompson sample":
        what = "point of one function drawn from the model"
    parts.append(f"the best {what} ({found})")
    if "sds" in tag:
        parts.append(f"it is judged by the good end of the mean ± {tag['sds']:.3g} standard deviations")
    if "exploration" in tag:
        share = tag["exploration"]
        if not tag.get("gain", share < 0.9):
            reason = "the model expects no gain there, but cannot rule one out"
        elif share < 0.1:
            reason = "the model is sure of a gain"
        else:
            reason = "the rest is gain that the model expects"
        parts.append(f"{share:.0%} of what it promises comes from not knowing (exploration): {reason}")
    if "outcome" in tag:
        parts.append(_form(tag))
    elif tag.get("set_aside"):
        parts.append(_set_aside(tag["set_aside"], "result"))
    return parts


def _form(tag: dict[str, Any]) -> str:
    """Return what the model was."""
    n, kind, power = tag.get("n", "the"), tag["outcome"], tag.get("power")
    how = _OUTCOMES.get(kind, kind)
    if how is not kind:  # too few distinct results have no power
        how = _OUTCOMES["standardize"] if "{" in how and power is None else how.format(power=power)
    text = f"the model was fitted to {_counted(n, 'result')}, {how}"
    if "instead_of" in tag:
        text += f' ("{tag["instead_of"]}" was asked for, but takes none of 0 or less)'
    if tag.get("exact"):
        text += (
            f", as a local model: to {tag['exact']} of them, most around the best, and to the nearest "
            "others of each point"
        )
    if tag.get("set_aside"):
        text += f" ({_set_aside(tag['set_aside'], 'other')})"
    if tag.get("warped"):
        text += ", with learnt warping of the parameters' scales"
    if tag.get("members"):
        text += f", averaged over {len(tag['members'])} samples of its hyper-parameters"
        if tag.get("drawn_at", n) != n:
            text += f", drawn when there were {tag['drawn_at']}"
    if tag.get("jitter"):
        text += (
            f"; its covariance was close to singular, so {tag['jitter']:.0e} of the output scale was added "
            "to its diagonal"
        )
    return text


def _set_aside(n: int, what: str) -> str:
    """Return why so many results are in no model."""
    far = f"{_counted(n, what)} {'is' if n == 1 else 'are'} so far off that "
    if n == 1:
        return far + "it counts as a failure, or lies far outside the space"
    return far + "they count as failures, or lie far outside the space"


def _edges(trial: Trial, space: Space) -> list[str]:
    """Return which known constraints and ends of ranges a point lies at."""
    [x] = X = space.encode(trial.params)
    columns, active = space.columns(X), space.active(X)[0]
    tight = [c.text for c in space.constraints if isinstance(c, Formula) and c.is_tight(columns)[0]]
    parts = [f"it lies on the edge of {listed(tight)}"] if tight else []
    varying = [p.name for p in space.parameters if not p.is_constant]
    ordered = active & ~np.asarray(space.is_categorical)
    for word, at_end in (("lowest", x <= _AT_AN_END), ("highest", x >= 1.0 - _AT_AN_END)):
        names = [varying[j] for j in np.flatnonzero(ordered & at_end)]
        if names:
            parts.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} at the {word} value")
    return parts


def _counted(n: Any, what: str) -> str:
    """Return "1 bin" or "2 bins"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def listed(words: list[str]) -> str:
    """Return "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _flat(tag: Any) -> dict[str, Any]:
    """Return the innermost words of a tag that composed strategies nested."""
    flat: dict[str, Any] = {}
    for word, value in tag.items():
        flat.update(_flat(value) if isinstance(value, dict) else {word: value})
    return flat
