"""Numbers as a reader sees them, in figures and on the page alike. Pure."""

NONE = "–"
# Below these an interval stands for little, and a mark says so.
FEW_EVENTS, FEW_PERSONS = 5, 10
FEW_MARK, CARRIED_MARK = "*", "†"
FEW_WORDS = f"fewer than {FEW_EVENTS} events or {FEW_PERSONS} persons: too few to rely on"
CARRIED_WORDS = "nobody was followed to the end: carried forward from the last follow-up"


def count(n: int | None) -> str:
    return NONE if n is None else f"{n:,}"


def percent(proportion: float | None, decimals: int = 1) -> str:
    """0.0931 as '9.3'; a difference below zero with a true minus."""
    if proportion is None:
        return NONE
    # Adding 0.0 turns the −0.0 that rounding leaves into 0.0.
    return f"{round(100 * proportion, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def limits(lower: float | None, upper: float | None) -> str:
    """Both ends of an interval of a risk."""
    return NONE if lower is None or upper is None else f"{percent(lower)}–{percent(upper)}"


def span_limits(lower: float | None, upper: float | None) -> str:
    """Both ends of an interval that may lie below zero, where a dash would read as a minus."""
    return NONE if lower is None or upper is None else f"{percent(lower)} to {percent(upper)}"


def ratio(value: float | None) -> str:
    """Three figures: 12.3, 1.05, 0.087."""
    return NONE if value is None else f"{value:#.3g}".rstrip(".")


def p_value(p: float | None) -> str:
    """Three decimals, and never 0."""
    return NONE if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def span(days: int) -> str:
    """'5 years' where the days are whole years, leap days counted or not; else the days."""
    years = round(days / 365.25)
    if years and abs(days - years * 365.25) <= 1 + years / 4:
        return "1 year" if years == 1 else f"{years} years"
    return f"{days:,} days"


def level_of(document: dict) -> int:
    """Confidence in percent."""
    methods = document.get("methods")
    return round(100 * methods["level"]) if isinstance(methods, dict) and "level" in methods else 95


def is_few(risk: dict) -> bool:
    return risk["events"] < FEW_EVENTS or risk["n"] < FEW_PERSONS


def is_carried(risk: dict) -> bool:
    """Somebody was there at the start and nobody at the horizon."""
    return risk["n"] > 0 and risk["at_risk"] == 0


def marks(*risks: dict) -> str:
    """What a reader must know before trusting a number that rests on these risks."""
    few = FEW_MARK if any(map(is_few, risks)) else ""
    return few + (CARRIED_MARK if any(map(is_carried, risks)) else "")


def nice_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round steps that cover low to high, at most `most` of them, ends included."""
    from math import ceil, floor, log10

    width = max(high - low, 1e-9)
    for exponent in (floor(log10(width)) - 1, floor(log10(width)), floor(log10(width)) + 1):
        for step in (m * 10.0**exponent for m in (1, 2, 5)):
            first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
            if last - first + 1 <= most:
                return [round(i * step, 12) for i in range(first, last + 1)]
    raise AssertionError("a step of the next power of ten always fits")
