"""Studies drawn at random, as their releases would count them: for tests of disclosure control.

Persons are drawn, then counted with the estimators of Kobling itself, so that every margin holds.
A second refresh has a few persons more, a few gone, and later follow-up.
"""

from dataclasses import dataclass

import numpy as np

from etl.competing_risks import count_events, cumulative_incidence, risk_at
from etl.disclosure import Aggregates, Factor

HORIZON = 731
FACTORS = (
    Factor("grade", "Grade", ("high", "low"), "low"),
    Factor("site", "Site", ("arm", "leg", "trunk"), "leg"),
)


@dataclass
class Persons:
    """One element per person; a level of -1 is not known, a time of -1 is prevalent."""

    levels: dict[str, np.ndarray]
    days: np.ndarray
    code: np.ndarray
    excluded: list[int]


def draw(random: np.random.Generator) -> Persons:
    n = int(random.integers(12, 90))
    shares = {f.name: random.dirichlet(np.full(len(f.levels) + 1, 0.7)) for f in FACTORS}
    levels = {f.name: random.choice(len(f.levels) + 1, n, p=shares[f.name]) - 1 for f in FACTORS}
    days, code = _followed(random, n)
    return Persons(levels, days, code, list(random.choice([0, 1, 2, 3, 6, 12, 30], 3)))


def _followed(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    cause = random.choice(3, n, p=random.dirichlet([2, 1, 1]))
    days = random.integers(1, 1400, n)
    prevalent = random.random(n) < random.choice([0, 0.04])
    return np.where(prevalent, -1, days), np.where(prevalent, 1, cause)


def refreshed(random: np.random.Generator, persons: Persons) -> Persons:
    """The same study after another delivery."""
    stay = random.random(len(persons.days)) > random.choice([0, 0.03])
    more = int(random.choice([0, 1, 3, 8]))
    levels = {
        f.name: np.concatenate(
            [persons.levels[f.name][stay], random.integers(-1, len(f.levels), more)]
        )
        for f in FACTORS
    }
    days, code = _followed(random, more)
    excluded = [n + int(random.choice([0, 0, 1, 5])) for n in persons.excluded]
    return Persons(
        levels,
        np.concatenate([persons.days[stay], days]),
        np.concatenate([persons.code[stay], code]),
        excluded,
    )


def counted(
    persons: Persons, by: str | None = "grade", horizons: tuple[int, ...] = (HORIZON,)
) -> Aggregates:
    """What a release of the study would say."""
    n = len(persons.days)
    at_risk = persons.days >= 0
    groups = {"(all)": np.ones(n, bool)}
    risks = [_risk("(all)", "(all)", persons, at_risk, horizon) for horizon in horizons]
    names = {f.name: (*f.levels, "missing") for f in FACTORS}
    level_of = {f: np.array([names[f][one] for one in persons.levels[f]]) for f in names}
    for factor in FACTORS:
        for level in factor.levels:
            own = at_risk & (level_of[factor.name] == level)
            risks += [_risk(factor.name, level, persons, own, horizon) for horizon in horizons]
    groups = {"all": np.ones(n, bool)}
    if by:
        groups |= {group: level_of[by] == group for group in names[by]}
    baseline = [
        {
            "characteristic": factor, "level": level, "group_level": group,
            "n_persons": int((who & (level_of[factor] == level)).sum()), "n_group": int(who.sum()),
            "median": None, "lower_quartile": None, "upper_quartile": None,
        }
        for group, who in groups.items()
        for factor, levels in names.items()
        for level in levels
    ]  # fmt: skip
    counts = count_events(persons.days[at_risk], persons.code[at_risk])
    incidence = cumulative_incidence(counts, 1)
    curve = [
        {
            "outcome": "relapse", "factor": "(all)", "level": "(all)", "days": int(day),
            "n_events": int(e), "n_competing": int(k), "n_censored": int(c),
            "risk": float(risk), "competing_risk": float(other),
        }
        for day, e, k, c, risk, other in zip(
            counts.times, counts.of_cause(1), counts.of_other_causes(1), counts.censored,
            incidence.risk, incidence.competing_risk, strict=True,
        )
    ]  # fmt: skip
    attrition, left = [], n
    for step, gone in reversed(list(enumerate(persons.excluded, 1))):
        attrition.append(
            {"step": step, "label": f"step {step}", "unit": "persons", "n_in": left + gone,
             "n_excluded": gone, "n_out": left}
        )  # fmt: skip
        left += gone
    return Aggregates(
        study_id="drawn",
        outcomes=(("relapse", "Relapse"),),
        horizons_days=horizons,
        factors=FACTORS,
        baseline_by=by,
        attrition=attrition,
        baseline=baseline,
        risks=risks,
        prevalent=[{"outcome": "relapse", "n": int((~at_risk).sum())}],
        curve=curve,
    )


def _risk(factor: str, level: str, persons: Persons, who: np.ndarray, horizon: int) -> dict:
    risk = risk_at(count_events(persons.days[who], persons.code[who]), 1, horizon)
    lower, upper = risk.recommended or (None, None)
    return {
        "outcome": "relapse", "factor": factor, "level": level, "horizon_days": horizon,
        "n": risk.n, "events": risk.events, "competing": risk.competing, "censored": risk.censored,
        "at_risk": risk.at_risk, "estimate": risk.estimate, "recommended_lower": lower,
        "recommended_upper": upper,
    }  # fmt: skip


def truth(persons: Persons, days: list[int], by: str | None = "grade") -> dict[tuple, int]:
    """Every count that an attacker may ask for, by name, straight from the persons."""
    names = {f.name: np.array([*f.levels, "missing"]) for f in FACTORS}
    level_of = {f: names[f][persons.levels[f]] for f in names}
    groups = names[by] if by else ["all"]
    counts = {("cohort",): len(persons.days)}
    counts |= {("left", step): n for step, n in enumerate(persons.excluded, 1)}
    for factor, own in level_of.items():
        for level in names[factor]:
            for group in groups:
                here = (own == level) & ((level_of[by] == group) if by else True)
                counts["persons", factor, str(level), str(group)] = int(here.sum())
    spans = {"(all)": days, **{factor: [0] for factor in names}}
    for factor, ends in spans.items():
        for level in ["(all)"] if factor == "(all)" else names[factor]:
            who = (
                np.ones(len(persons.days), bool) if factor == "(all)" else level_of[factor] == level
            )
            of = ("relapse", factor, str(level))
            followed = who & (persons.days >= 0)
            for kind, code in (("events", 1), ("deaths", 2), ("lost", 0)):
                start = -1
                for end in ends:
                    until = persons.days <= (end or HORIZON)
                    here = followed & (persons.code == code) & until & (persons.days > start)
                    counts[*of, kind, end] = int(here.sum())
                    start = end
            counts[*of, "prevalent", 0] = int((who & (persons.days < 0)).sum())
            counts[*of, "rest", 0] = int((who & (persons.days > HORIZON)).sum())
    return counts
