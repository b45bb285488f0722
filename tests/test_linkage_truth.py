"""On persons of whom it is known who is who: nobody merges, nobody splits, every row is accounted
for. A small version of `make prove-linkage`."""

import pytest

from benchmarks import linkage_truth
from etl.linkage import resolution


@pytest.fixture(scope="module")
def truth() -> linkage_truth.Truth:
    return linkage_truth.plant(20_000)


def test_nobody_merges_and_nobody_splits_and_every_row_has_its_reason(truth, tmp_path):
    linkage_truth.link(truth, tmp_path)
    proof = linkage_truth.prove(truth, tmp_path)
    assert (proof.merges, proof.splits, proof.wrong) == (0, 0, [])
    assert set(proof.unlinked) == {"unknown_to_cpr", *linkage_truth.NOWHERE}
    assert proof.linked + sum(proof.unlinked.values()) == truth.n_rows == 60_000
    longest = truth.con.execute(
        "select max(n) from (select person_id, count(*) as n from crosswalk "
        "where person_id is not null group by all)"
    ).fetchone()
    assert longest >= (linkage_truth.CHAIN,)


def test_a_linkage_that_takes_a_fork_for_a_person_is_seen(truth, tmp_path, monkeypatch):
    """As it once did: both successors began at the number that leads to two."""
    kept = resolution.Register.__init__

    def fooled(self, rows):
        kept(self, rows)
        for number, same in self.rows.items():
            for row in same:
                if row.current and row.current != number and len(self.successors[number]) > 1:
                    self.changed_into[row.current].append((row.status_date or "", number))

    monkeypatch.setattr(resolution.Register, "__init__", fooled)
    linkage_truth.link(truth, tmp_path)
    assert linkage_truth.prove(truth, tmp_path).merges > 0


def test_a_linkage_that_loses_the_beginning_of_a_chain_is_seen(truth, tmp_path, monkeypatch):
    monkeypatch.setattr(resolution, "_resolved", lambda register: {
        number: resolution.Resolution(number, number, None) for number in register.rows
    })  # fmt: skip
    linkage_truth.link(truth, tmp_path)
    proof = linkage_truth.prove(truth, tmp_path)
    assert proof.splits > 0
    assert any("rows of nobody are linked" in sentence for sentence in proof.wrong)
