"""Invented persons who live on the boundaries of the first study's rules, and their lake rows.

    persons = generate(seed=1, n=5000)
    rows = write_lake_rows(persons)      # table → rows with the registers' own column names

The same seed gives the same persons. `traits` of a person names what is odd about it, so that
persons on whom two programs differ can be grouped.
"""

import hashlib
import random
from datetime import date, timedelta

# Each pair is worth a run of its own: nothing caps, patobank caps, cpr caps.
COMPLETE_TO = (
    {"cpr": date(2023, 6, 30), "patobank": date(2023, 6, 30)},
    {"cpr": date(2023, 6, 30), "patobank": date(2022, 6, 30)},
    {"cpr": date(2021, 12, 31), "patobank": date(2022, 6, 30)},
)

FIRST_PERSON_ID = 10**10
PERIOD_START, PERIOD_END = date(1980, 1, 1), date(2022, 12, 31)
CASES = ("M8890", "M8891", "M8896")
NO_CASES = ("M8892", "M8800", "M8893", "M8897", "M8830")
UNSPECIFIC = ("T01000", "T01100", "T02000")
SKIN = ("T02120", "T02140", "T02600", "T02610", "T02811", "T01530", "T02480")
SIDED = ("T0220", "T0265", "T0281", "T0213")  # and a sixth character A, B, 0 or another
NOT_SKIN = ("T03000", "T03020", "T28000", "T08000", "T10000", "T56000")
DIAGNOSES = (
    "subcutaneous_leiomyosarcoma",
    "atypical_intradermal_smooth_muscle_neoplasm",
    "leiomyoma",
    "atypical_fibroxanthoma",
    "pleomorphic_dermal_sarcoma",
    "other",
)
# Two sets of laboratories: neighbours share requisition numbers but never a laboratory.
LABORATORIES = (("1301010", "3800C80", "4202220"), ("2000101", "6620530", "8001010"))
GAPS = (0, 1, 30, 88, 89, 90, 91, 179, 180, 181, 269, 270)
DANISH_MUNICIPALITIES = ("101", "461", "751", "851", "411", "899")
GREENLAND = ("900", "955", "956", "957", "999")

# Only persons who went through `hospitalised` have rows there.
HOSPITALS_AND_CAUSES = (
    "t_adm",
    "t_diag",
    "kontakter",
    "diagnoser",
    "t_dodsaarsag_1",
    "t_dodsaarsag_2",
    "dodsaarsager",
)
DSD_REST = ("location", "size_mm", "grade", "depth", "margin", "radiotherapy", "chemotherapy")
FACTORS = (
    "size_mm",
    "necrosis",
    "mitotic_grade",
    "perineural_invasion",
    "vascular_invasion",
    "margins",
    "subcutaneous_extension",
)


def days(n: int) -> timedelta:
    return timedelta(days=n)


class Builder:
    """One person in the making. Every choice comes from the one generator of random numbers."""

    def __init__(self, rng: random.Random, person_id: int):
        self.rng = rng
        self.id = person_id
        self.traits: set[str] = set()
        self.pathology: list[dict] = []
        self.reviews: list[dict] = []
        self.dsd: list[dict] = []
        self.labs = LABORATORIES[person_id % 2]
        self.number_root = f"{person_id // 2:06d}"
        self.n_requisitions = 0
        self.requisitions: list[dict] = []

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    # -------------------------------------------------------------- pathology

    def requisition(self, day: date, codes: list[str], lab: str | None = None, again=None) -> dict:
        """Write the codes as rows of one requisition, often on different specimens.

        `again` is a requisition whose number is taken over in another laboratory.
        """
        if again is not None:
            taken = {r["k_inst"] for r in self.requisitions if r["k_rekvnr"] == again["k_rekvnr"]}
            free = [name for name in self.labs if name not in taken]
            if free:
                lab, number = self.rng.choice(free), again["k_rekvnr"]
                self.traits.add("equal_number_in_two_labs")
            else:
                again = None
        if again is None:
            # Not in order of time, so that an order by number is not an order by date.
            lab = lab or self.rng.choice(self.labs)
            self.n_requisitions += 1
            number = f"{self.number_root}{self.rng.randrange(10)}{self.n_requisitions:02d}"
        made = {"k_inst": lab, "k_rekvnr": number, "day": day, "codes": codes}
        self.requisitions.append(made)
        specimen, sequence = 1, 0
        order = list(codes)
        self.rng.shuffle(order)
        for code in order:
            if sequence and self.chance(0.3):
                specimen, sequence = specimen + 1, 0
                self.traits.add("codes_on_several_specimens")
            sequence += 1
            self.pathology.append(
                {
                    "k_inst": lab,
                    "k_rekvnr": number,
                    "k_matnr": specimen,
                    "k_sekvensnr": sequence,
                    "d_rekvdato": day,
                    "snomed": code,
                }
            )
        return made

    def morphology(self, behaviour: str | None = None) -> str:
        family = self.rng.choice(CASES if self.chance(0.85) else NO_CASES)
        return family + (behaviour or self.rng.choice("33333334467790166X"))

    def place(self) -> str:
        kind = self.rng.choices(("specific", "sided", "unspecific"), (6, 4, 2))[0]
        if kind == "specific":
            return self.rng.choice(SKIN)
        if kind == "sided":
            return self.rng.choice(SIDED) + self.rng.choice("AB001")
        return self.rng.choice(UNSPECIFIC)

    def place_near(self, place: str) -> str:
        """The same place in another spelling, or one that is nearly the same."""
        kind = self.rng.choices(
            ("same", "other_side", "unspecific", "other", "not_skin"), (10, 4, 3, 3, 2)
        )[0]
        if kind == "same":
            return place
        if kind == "other_side":
            return place[:5] + self.rng.choice("AB01")
        if kind == "unspecific":
            return self.rng.choice(UNSPECIFIC)
        return self.place() if kind == "other" else self.rng.choice(NOT_SKIN)

    def topographies(self, place: str) -> list[str]:
        """Mostly the place alone; sometimes with an unspecific, a foreign or a second one."""
        codes = [place]
        if self.chance(0.06):
            codes.append(self.rng.choice(UNSPECIFIC))
        if self.chance(0.05):
            codes.append(self.rng.choice(NOT_SKIN))
        if self.chance(0.015):
            codes.append(self.place())
        codes = list(dict.fromkeys(codes))
        specific = [c for c in codes if c[:3] in ("T01", "T02") and c not in UNSPECIFIC]
        if len(specific) > 1:
            self.traits.add("several_specific_places_on_a_requisition")
        return codes

    # -------------------------------------------------------------- review and clinical database

    def review(self, requisition: dict, diagnosis: str | None, reviewed_on: date | None = None):
        def maybe(*values):
            return None if self.chance(0.15) else self.rng.choice(values)

        # Random in the middle, so that the order of record ids is not the order of writing.
        record_id = f"{self.id:06d}-{self.rng.randrange(1000):03d}-{len(self.reviews):02d}"
        self.reviews.append(
            {
                "record_id": record_id,
                "k_inst": requisition["k_inst"],
                "k_rekvnr": requisition["k_rekvnr"],
                "reviewed_on": reviewed_on
                or date(2023, 1, 1) + days(self.rng.choice((0, 1, 30, 200, 400))),
                "who_diagnosis": diagnosis,
                "size_mm": maybe(3.0, 12.0, 19.9, 20.0, 20.1, 35.0),
                "necrosis": maybe(0, 0, 0, 1),
                "mitotic_grade": maybe(1, 2, 2, 3),
                "perineural_invasion": maybe(0, 0, 0, 0, 1),
                "vascular_invasion": maybe(0, 0, 0, 0, 1),
                "margins": maybe("negative", "negative", "negative", "positive"),
                "subcutaneous_extension": maybe(0, 0, 1),
            }
        )
        return self.reviews[-1]

    def reviews_of(self, requisition: dict, confirmed: float) -> None:
        """None, one or several reviews of a requisition; `confirmed` is the share of true ones."""

        def diagnosis() -> str | None:
            if self.chance(confirmed):
                return "dermal_leiomyosarcoma"
            return None if self.chance(0.3) else self.rng.choice(DIAGNOSES)

        for _ in range(self.rng.choices((0, 1, 2, 3), (12, 70, 13, 5))[0]):
            self.review(requisition, diagnosis())
        own = [r for r in self.reviews if self.is_of(r, requisition)]
        if len(own) > 1:
            self.traits.add("several_reviews_of_a_requisition")
            if self.chance(0.08):
                own[0]["reviewed_on"] = None
                self.traits.add("undated_review")
            dates = [r["reviewed_on"] for r in own]
            if dates.count(max(filter(None, dates))) > 1:
                self.traits.add("latest_reviews_on_one_day")
            latest = max(own, key=lambda r: (r["reviewed_on"] or date.min, r["record_id"]))
            if not latest["who_diagnosis"] and any(r["who_diagnosis"] for r in own):
                self.traits.add("latest_review_blank_earlier_not")

    @staticmethod
    def is_of(review: dict, requisition: dict) -> bool:
        return (review["k_inst"], review["k_rekvnr"]) == (
            requisition["k_inst"],
            requisition["k_rekvnr"],
        )

    def clinical_rows(self, index: date) -> None:
        for _ in range(self.rng.choices((0, 1, 2), (6, 4, 1))[0]):
            gap = self.rng.choice((-400, -91, -90, -89, -88, -1, 0, 0, 5, 88, 89, 90, 91, 700))

            def near(*gaps):
                return None if self.chance(0.6) else index + days(self.rng.choice(gaps))

            self.dsd.append(
                {
                    "diagnosis_date": index + days(gap),
                    "local_recurrence_date": near(-20, 0, 30, 88, 89, 90, 91, 400, 1826, 2500),
                    "metastasis_date": near(-20, -1, 0, 1, 30, 89, 90, 400, 1826, 1827, 2500),
                }
            )


def _index_day(rng: random.Random) -> date:
    kind = rng.choices(("any", "first days", "last days", "cap"), (78, 9, 8, 5))[0]
    if kind == "any":
        return PERIOD_START + days(rng.randrange((PERIOD_END - PERIOD_START).days))
    if kind == "first days":
        return PERIOD_START + days(rng.choice((-90, -89, -2, -1, 0, 0, 1, 2, 89, 90)))
    if kind == "last days":
        return PERIOD_END + days(rng.choice((-91, -90, -89, -2, -1, 0, 0, 1, 2)))
    return rng.choice((date(2022, 6, 30), date(2021, 12, 31))) + days(rng.choice((-90, -1, 0, 1)))


def _pathology(b: Builder, index: date) -> None:
    """Requisitions about the index date and their reviews."""
    kind = b.rng.choices(("tumour", "only metastases", "no candidate"), (90, 5, 5))[0]
    place = b.place()
    family = b.rng.choice(CASES)
    if kind == "only metastases":
        b.traits.add(kind.replace(" ", "_"))
        for _ in range(b.rng.choice((1, 2))):
            made = b.requisition(
                index + days(b.rng.choice((0, 0, 50))), [family + "6", *b.topographies(place)]
            )
            if b.chance(0.3):
                b.review(made, "dermal_leiomyosarcoma")
        return
    if kind == "no candidate":
        b.traits.add(kind.replace(" ", "_"))
        for codes in b.rng.choice(
            (
                [[family + "X", place]],
                [[family + "3", "T03000"]],
                [["M88923", place]],
                [[family + "3"], [place]],
                [["M88003", family + "4", place]],
                [[family + "0", place], [family + "3", "T28000"]],
            )
        ):
            b.review(b.requisition(index, codes), "dermal_leiomyosarcoma")
        return

    primaries = []
    story = b.rng.choices((None, "side", "fixing", "chain"), (70, 12, 12, 6))[0]
    if story == "side":
        place = b.rng.choice(SIDED) + b.rng.choice("AB0")
    elif story == "fixing":
        place = b.rng.choice(UNSPECIFIC)
    first = b.requisition(index, [family + "3", *b.topographies(place)])
    primaries.append(first)
    if story == "chain":  # each within 90 days of the one before, not of the first
        b.traits.add("chain_story")
        day = 0
        b.review(first, b.rng.choice((*DIAGNOSES, None)))
        for _ in range(b.rng.choice((2, 3))):
            day += b.rng.choice((45, 60, 89))
            made = b.requisition(index + days(day), [family + "3", place])
            diagnosis = "dermal_leiomyosarcoma" if b.chance(0.6) else b.rng.choice(DIAGNOSES)
            b.review(made, diagnosis)
            primaries.append(made)
    elif story:  # one place by three spellings: at first, within the lesion, and later on
        b.traits.add(f"{story}_story")
        root = place[:5] if story == "side" else b.rng.choice(SIDED)
        for gaps, share in (((0, 1, 88, 89, 90), 0.6), ((90, 91, 179, 180, 400), 0.9)):
            if b.chance(share):
                spelling = root + b.rng.choice("AB0") if b.chance(0.75) else b.place()
                codes = [family + b.rng.choice("3349"), spelling]
                made = b.requisition(index + days(b.rng.choice(gaps)), codes)
                if codes[0][-1] == "3":
                    primaries.append(made)
    if b.chance(0.12):  # a second requisition on the index day
        again = first if b.chance(0.5) else None
        b.traits.add("two_requisitions_on_the_index_day")
        near = b.place_near(place)
        primaries.append(b.requisition(index, [b.morphology("3"), near], again=again))
    if b.chance(0.12):  # an earlier lesion, at the place or elsewhere
        b.traits.add("earlier_lesion")
        before = index - days(b.rng.choice((*GAPS[1:], 400, 3000)))
        earlier = b.place_near(place)
        made = b.requisition(before, [b.morphology("3"), earlier])
        primaries.append(made)
        if b.chance(0.6):
            b.review(made, b.rng.choice((*DIAGNOSES, None)))
    for _ in range(b.rng.choices((0, 1, 2, 3, 4), (30, 30, 20, 12, 8))[0]):
        gap = b.rng.choice(GAPS) if b.chance(0.7) else b.rng.randrange(1, 4000)
        codes = [b.morphology(), *b.topographies(b.place_near(place))]
        if b.chance(0.08):
            codes.append(b.morphology())
        if b.chance(0.05):
            codes.append("P30990")
        again = b.rng.choice(b.requisitions) if b.chance(0.1) else None
        made = b.requisition(index + days(gap), list(dict.fromkeys(codes)), again=again)
        if any(code[:5] in CASES and code[-1] == "3" for code in codes):
            primaries.append(made)
        elif b.chance(0.1):
            b.review(made, "dermal_leiomyosarcoma")
            b.traits.add("review_of_another_requisition")
    if b.chance(0.15):  # a metastasis, often next to the index date or to the caps
        near = b.rng.choice((-200, -1, 0, 1, 1, 30, 89, 400, 1000, 1826, 1827))
        day = index + days(near) if b.chance(0.8) else PERIOD_END + days(b.rng.choice((-1, 0, 1)))
        topography = b.rng.choice((place, *NOT_SKIN, None))
        codes = [b.morphology("6"), *([topography] if topography else [])]
        b.requisition(day, codes)

    confirmed = b.rng.choices((0.92, 0.5, 0.0), (80, 13, 7))[0]
    for made in primaries:
        if not any(b.is_of(review, made) for review in b.reviews):
            b.reviews_of(made, confirmed)
    if b.chance(0.05):  # the number of a reviewed requisition, in a laboratory that has no such
        used = {r["k_inst"] for r in b.requisitions if r["k_rekvnr"] == first["k_rekvnr"]}
        free = [lab for lab in b.labs if lab not in used]
        if free:
            b.traits.add("review_in_another_lab")
            b.review({**first, "k_inst": free[0]}, b.rng.choice((None, "leiomyoma")))
    b.clinical_rows(index)


def _event_days(b: Builder, index: date) -> list[date]:
    """Days on which something else happens: the loved ties."""
    found = [r["day"] for r in b.requisitions if r["day"] > index]
    for row in b.dsd:
        found += [row[k] for k in ("local_recurrence_date", "metastasis_date") if row[k]]
    return [day for day in found if day > index]


def _around(b: Builder, index: date, ties: list[date]) -> date:
    """A day for a death or a departure: near the index date, near another event, or any."""
    kind = b.rng.choices(("near", "tie", "end", "any"), (8, 25, 8, 59))[0]
    if kind == "near":
        return index + days(b.rng.choice((-1, 0, 0, 1, 1, 2)))
    if kind == "tie" and ties:
        return b.rng.choice(ties) + days(b.rng.choice((-1, 0, 0, 0, 1)))
    if kind == "end":
        return PERIOD_END + days(b.rng.choice((-1, 0, 1)))
    return index + days(b.rng.choice((89, 90, 91, 1826, *range(100, 6000, 37))))


def _civil(b: Builder, index: date) -> dict:
    """Civil register rows: addresses, stays abroad, status and death."""
    rng = b.rng
    born = index - days(rng.randrange(20 * 365, 95 * 365))
    if b.chance(0.12):  # 65 today, yesterday or tomorrow
        year = index.year - 65
        born = date(year, index.month, min(index.day, 28)) + days(rng.choice((-1, 0, 1)))
        b.traits.add("about_65")
    if b.chance(0.01):
        born = date(1944, 2, 29)
        b.traits.add("born_29_february")
    ties = _event_days(b, index)
    died = _around(b, index, ties) if b.chance(0.4) else None

    addresses: list[dict] = []
    abroad: list[dict] = []

    def address(municipality, start, end, correction=None):
        addresses.append(
            {
                "municipality": municipality,
                "moved_in": start,
                "moved_out": end,
                "correction": correction,
            }
        )

    def stay(left, returned, correction=None):
        abroad.append({"departure": left, "return": returned, "correction": correction})

    def danish():
        return rng.choice(DANISH_MUNICIPALITIES)

    way = rng.choices(
        (
            "stays",
            "emigrates",
            "returns",
            "was away",
            "greenland",
            "back from greenland",
            "disappears",
            "immigrates",
            "tax number",
            "gap",
        ),
        (560, 110, 80, 30, 50, 20, 40, 30, 20, 8),
    )[0]
    b.traits.add(way.replace(" ", "_"))
    start = born if b.chance(0.8) else index - days(rng.choice((0, 1, 400)))
    status, since = rng.choice(("01", "01", "01", "03")), start
    leaves = _around(b, index, [*ties, *([died] if died else [])])
    # Danish days are [start, leaves]; some have two addresses on them.
    if way in ("emigrates", "returns", "greenland", "back from greenland", "disappears"):
        start = min(start, leaves)
        end = leaves
        if way == "disappears" and b.chance(0.5):
            end = None
    else:
        end = None
    if way == "immigrates":
        start = index + days(rng.choice((-1, 0, 1, 1, 30)))
        if b.chance(0.4):
            stay(start - days(2000), start)
    if way == "was away":
        left = index - days(rng.choice((1, 30, 400)))
        returned = rng.choice((index - days(1), index, index + days(1), index + days(60)))
        returned = max(returned, left)
        start = min(start, left)
        stay(left, returned)
        address(danish(), start, left)
        start = returned
    if way == "gap":
        left = index - days(rng.choice((1, 2)))
        start = min(start, left - days(10))
        address(danish(), start, left)
        start = index + days(rng.choice((0, 1, 2)))
    if way != "tax number" or b.chance(0.1):
        last = end or max(start, index)
        if start < last and b.chance(0.3):  # moved house on the way
            moved = start + days(rng.randrange((last - start).days + 1))
            address(danish(), start, moved, rng.choice((None, "K", "H")))
            address(danish(), moved if b.chance(0.5) else min(moved + days(1), last), end)
        else:
            address(danish(), start, end)

    if way == "emigrates":
        stay(leaves, None)
        status, since = "80", leaves
        if b.chance(0.15):
            since = leaves + days(rng.choice((-3, 3, 30)))
            b.traits.add("status_date_beside_departure")
        if b.chance(0.2):
            abroad.clear()
            b.traits.add("emigrated_without_stay")
    elif way == "returns":
        returned = leaves + days(rng.choice((0, 1, 30, 400)))
        stay(leaves, returned)
        address(danish(), returned, None)
        since = returned
        if b.chance(0.3):
            again = returned + days(rng.choice((1, 100, 2000)))
            addresses[-1]["moved_out"] = again
            stay(again, None)
            status, since = "80", again
            if b.chance(0.3):
                abroad.pop()
                b.traits.add("emigrated_again_without_stay")
    elif way == "greenland":
        first = leaves
        if leaves != index and b.chance(0.3):
            first = leaves + days(1)
            b.traits.add("greenland_the_day_after_the_last_danish_address")
        address(rng.choice(GREENLAND), first, None)
        status, since = rng.choice(("05", "07")), first
        if b.chance(0.2):
            addresses.pop()
            b.traits.add("greenland_by_status_only")
    elif way == "back from greenland":
        returned = leaves + days(rng.choice((0, 1, 30, 400)))
        address(rng.choice(GREENLAND), leaves, returned)
        address(danish(), returned, None)
        since = returned
    elif way == "disappears":
        status, since = "70", leaves
    elif way == "tax number":
        status = "20"

    if b.chance(0.06):  # rows that never were
        b.traits.add("annulled_rows")
        stay(index - days(rng.choice((0, 1, 500))), rng.choice((None, index + days(50))), "A")
        stay(index + days(rng.choice((0, 1, 500))), None, "A")
        address(rng.choice((*GREENLAND, "101")), index - days(rng.choice((0, 1, 300))), None, "A")
    if b.chance(0.02) and way in ("emigrates", "greenland", "returns"):
        b.traits.add("departure_annulled")
        for row in abroad:
            row["correction"] = "A"
    if b.chance(0.08):
        b.traits.add("no_address_history")
        addresses.clear()
    if b.chance(0.02) and way == "stays":
        b.traits.add("addresses_all_annulled")
        for row in addresses:
            row["correction"] = "A"

    if died is not None and status != "20":
        died = max(died, born)
        status, since = "90", died
        b.traits.add("died")
        if b.chance(0.3):
            b.traits.add("address_ends_with_death")
            for row in addresses:
                if row["moved_out"] is None and (row["moved_in"] or died) <= died:
                    row["moved_out"] = died
    cpr = {
        "sex": rng.choices(("M", "K", None), (70, 28, 2))[0],
        "status": status,
        "birth_date": None if b.chance(0.02) else born,
        "status_date": since,
    }
    rng.shuffle(addresses)
    rng.shuffle(abroad)
    return {"cpr": cpr, "addresses": addresses, "abroad": abroad}


def _replaced_numbers(b: Builder, cpr: dict) -> list[dict]:
    """Rows of numbers no longer in force, with a status that must not be read."""
    if not b.chance(0.05):
        return []
    b.traits.add("replaced_number")
    return [{**cpr, "status": "60", "status_date": date(1999, 5, 5)}]


def generate_person(seed: int, person_id: int) -> dict:
    """One person. Depends on the seed and the id alone, so a person can be made again by itself."""
    rng = random.Random(f"{seed}/{person_id}")
    b = Builder(rng, person_id)
    index = _index_day(rng)
    _pathology(b, index)
    civil = _civil(b, index)
    rng.shuffle(b.pathology)
    rng.shuffle(b.reviews)
    return {
        "id": person_id,
        **civil,
        "replaced_numbers": _replaced_numbers(b, civil["cpr"]),
        "pathology": b.pathology,
        "reviews": b.reviews,
        "dsd": b.dsd,
        "cause_of_death": [],
        "traits": sorted(b.traits),
    }


def generate(seed: int = 1, n: int = 5000) -> list[dict]:
    """`n` persons with the ids 1 to n."""
    return [generate_person(seed, person_id) for person_id in range(1, n + 1)]


# ------------------------------------------------------------------ hospitals and causes of death

# Days from the first requisition of a case to a contact, and from it to the boundaries of a
# look-back of a year, of an outcome from day 30, and of the registers' eras.
CONTACT_DAYS = (-5000, -4999, -366, -365, -364, -200, -1, 0, 1, 29, 30, 31, 400, 3000)
CODES = ("DC492", "DC49", "17190", "1719", "DC443", "DI219", "DC50")
CAUSES = ("I219", "I", "410", "41099", "C492", "C44", "DI21", None)
LAST_OF_LPR2 = date(2019, 3, 31)


def hospitalised(person: dict, seed: int) -> dict:
    """The same person with contacts around the tumour, and with causes of death.

    By a generator of random numbers of their own, so that the person is the same without them.
    """
    rng = random.Random(f"hospital/{seed}/{person['id']}")
    requested = [row["d_rekvdato"] for row in person["pathology"]]
    begun = [rng.choice(requested) + days(rng.choice(CONTACT_DAYS)) for _ in range(3) if requested]
    if begun and rng.random() < 0.1:
        begun.append(LAST_OF_LPR2 + days(rng.choice((0, 1))))
    cpr, causes = person["cpr"], []
    if cpr["status"] == "90" and cpr["status_date"]:
        causes = [
            {"d_dodsdato": cpr["status_date"], "d_findedato": None, "underlying": cause}
            for cause in rng.choices(CAUSES, k=rng.choice((0, 1, 1, 1, 2)))
        ]
    return {
        **person,
        "cause_of_death": causes,
        "hospital": [
            {
                "register": rng.choice(
                    ("lpr2", "lpr2", "lpr3") if day > date(2018, 1, 1) else ("lpr2",)
                ),
                "begins": day,
                "code": rng.choice(CODES),
                "modifier": rng.choice((None, None, "0", "1", "2")),
                "system": rng.choice(("LPR3", "LPR3", "LPR2")),
                "retracted": rng.choice((None, "Nej", "Ja")),
            }
            for day in begun
        ],
    }


# ------------------------------------------------------------------ rows of the linked lake


def lake_person_id(person_id: int) -> int:
    """The pseudonym under which a generated person lies in the lake."""
    return FIRST_PERSON_ID + person_id


def period_of(table: str, row: dict) -> str:
    """The period folder of a lake row: the year for `pato`, `all` for the stock tables."""
    return str(row["d_rekvdato"].year) if table == "pato" else "all"


def write_lake_rows(persons: list[dict]) -> dict[str, list[dict]]:
    """Rows of the linked tables, in the contracts' order of columns, sorted by person."""
    rows: dict[str, list[dict]] = {
        table: []
        for table in (
            "cpr3_t_person",
            "cpr3_t_adresse_hist",
            "cpr3_t_adresse_udland_hist",
            "pato",
            "review",
            "sarcoma",
            *HOSPITALS_AND_CAUSES,
        )
    }

    def add(table: str, owner: int, columns: dict) -> None:
        rows[table].append(
            {
                "person_id": owner,
                **columns,
                "source_file": hashlib.sha256(table.encode()).hexdigest()[:12],
                "source_row": len(rows[table]) + 1,
            }
        )

    for person in sorted(persons, key=lambda one: one["id"]):
        owner = lake_person_id(person["id"])
        numbers = [(row, False) for row in person.get("replaced_numbers", [])]
        for row, is_in_force in [*numbers, (person["cpr"], True)]:
            add(
                "cpr3_t_person",
                owner,
                {
                    "is_number_in_force": is_in_force,
                    "c_kon": row["sex"],
                    "c_status": row["status"],
                    "d_foddato": row["birth_date"],
                    "d_status_hen_start": row["status_date"],
                    "v_mor_pnr_person_id": None,
                    "v_far_pnr_person_id": None,
                },
            )
        for row in person["addresses"]:
            add(
                "cpr3_t_adresse_hist",
                owner,
                {
                    "c_kom": row["municipality"],
                    "d_tilflyt_dato": row["moved_in"],
                    "d_fraflyt_dato": row["moved_out"],
                    "c_annkor": row["correction"],
                },
            )
        for row in person["abroad"]:
            add(
                "cpr3_t_adresse_udland_hist",
                owner,
                {
                    "d_udrejse_dato": row["departure"],
                    "d_indrejse_dato": row["return"],
                    "c_annkor": row["correction"],
                },
            )
        for row in person["pathology"]:
            add(
                "pato",
                owner,
                {
                    "k_inst": row["k_inst"],
                    "k_rekvnr": row["k_rekvnr"],
                    "k_matnr": row["k_matnr"],
                    "k_sekvensnr": row["k_sekvensnr"],
                    "d_rekvdato": row["d_rekvdato"],
                    "d_modtdato": row["d_rekvdato"],
                    "d_svardato": row["d_rekvdato"] + days(7),
                    "c_mattype": 11,
                    "c_snomedkode": row["snomed"],
                },
            )
        for row in person["reviews"]:
            keys = ("record_id", "k_inst", "k_rekvnr", "reviewed_on", "who_diagnosis")
            add("review", owner, {key: row[key] for key in (*keys, *FACTORS)})
        for row in person["dsd"]:
            add(
                "sarcoma",
                owner,
                {
                    "diagnosis_date": row["diagnosis_date"],
                    **dict.fromkeys(DSD_REST),
                    "local_recurrence_date": row["local_recurrence_date"],
                    "metastasis_date": row["metastasis_date"],
                },
            )
        for nth, row in enumerate(person.get("hospital", [])):
            contact, day = f"{person['id']}0{nth}", row["begins"]
            if row["register"] == "lpr2":
                add("t_adm", owner, {"k_recnum": contact, "d_inddto": day, "d_uddto": day})
                told = {"c_diagtype": "A", "c_diagmod": row["modifier"]}
                add("t_diag", owner, {"v_recnum": contact, "c_diag": row["code"], **told})
            else:
                system = {"lprindberetningssystem": row["system"]}
                dates = {"dato_start": day, "dato_slut": day}
                add("kontakter", owner, {"dw_ek_kontakt": contact, **dates, **system})
                told = {"diagnosetype": "A", "senere_afkraeftet": row["retracted"]}
                key = {"dw_ek_kontakt": contact, "diagnosekode": row["code"]}
                add("diagnoser", owner, {**key, **told, **system})
        for row in person["cause_of_death"]:
            day, cause = row["d_dodsdato"], row.get("underlying")
            if day.year <= 2001:
                add("t_dodsaarsag_1", owner, {"d_dodsdto": day, "c_dod1": cause})
            elif day.year <= 2021:
                add("t_dodsaarsag_2", owner, {"d_dodsdato": day, "c_dodtilgrundl_acme": cause})
            else:
                told = {"doedsdato": day, "doedsaarsag_tilgrundliggende": cause}
                add("dodsaarsager", owner, told)
    return rows
