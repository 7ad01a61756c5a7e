"""Which units of the bank fit."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.product.matching import count_fitting, match_units
from schemas.product.bank import QualityStatus, Unit, UnitRequest
from schemas.screening.panel import Antigen
from tests.decisions.makers import make_unit

LAST_INFUSION = date(2026, 6, 1)


def make_request(count: int = 1, **changes: object) -> UnitRequest:
    """Ask for mesothelin + TROP2 units of 300 million cells through 2026-06-01."""
    asked: dict[str, object] = {
        "target": (Antigen.MESOTHELIN, Antigen.TROP2),
        "million_cells": 300.0,
        "count": count,
        "last_infusion_on": LAST_INFUSION,
    }
    return UnitRequest.model_validate(asked | changes)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"antigens": (Antigen.MESOTHELIN, Antigen.TROP2)}, True),
        ({"antigens": (Antigen.TROP2, Antigen.MESOTHELIN)}, True),
        ({"antigens": (Antigen.MESOTHELIN,)}, False),
        ({"antigens": (Antigen.MESOTHELIN, Antigen.HER2)}, False),
        ({"quality": QualityStatus.QUARANTINED}, False),
        ({"quality": QualityStatus.REJECTED}, False),
        ({"million_cells": 299.9}, False),
        ({"million_cells": 300.0}, True),
        ({"million_cells": 300.1}, True),
        ({"expires_on": LAST_INFUSION - timedelta(days=1)}, False),
        ({"expires_on": LAST_INFUSION}, True),
        ({"expires_on": LAST_INFUSION + timedelta(days=1)}, True),
    ],
)
def test_a_unit_fits_by_target_release_cells_and_expiry(changes: dict[str, Any], fits: bool) -> None:
    """Each gate is exact: equal antigens in any order, released, enough cells, unexpired on the last day."""
    assert fits == bool(match_units(make_request(), [make_unit(**changes)]).units)


def test_a_dual_product_does_not_fit_a_single_target() -> None:
    """A product that binds more than was asked for is another product."""
    assert match_units(make_request(target=(Antigen.MESOTHELIN,)), [make_unit()]).units == ()


def test_the_first_to_expire_is_taken_first_then_by_id() -> None:
    """Units are given in the order of expiry; units of one day in the order of their ids."""
    units = [
        make_unit("U-3", expires_on=date(2026, 9, 1)),
        make_unit("U-2", expires_on=date(2026, 8, 1)),
        make_unit("U-1", expires_on=date(2026, 9, 1)),
    ]

    match = match_units(make_request(count=3), units)

    assert [unit.unit_id for unit in match.units] == ["U-2", "U-1", "U-3"]


def test_too_few_units_give_none_and_the_count_behind_each_gate() -> None:
    """A participant gets units for all infusions or none; the reason tells what the bank lacks."""
    units = [
        make_unit("U-1"),
        make_unit("U-2", antigens=(Antigen.HER2,)),
        make_unit("U-3", quality=QualityStatus.QUARANTINED),
        make_unit("U-4", million_cells=100),
        make_unit("U-5", expires_on=date(2026, 5, 31)),
        make_unit("U-6", expires_on=date(2026, 5, 31), million_cells=100),
    ]

    match = match_units(make_request(count=2), units)

    assert match.units == ()
    assert match.reason == (
        "1 of 6 units fit, 2 needed of mesothelin+TROP2 with 300 million cells through 2026-06-01; "
        "each at its first failed gate: 1 other antigens, 1 not released, 2 too few cells, 1 expiring too early"
    )


def test_units_that_fit_are_counted_whatever_is_asked_for() -> None:
    """Each once, and none that fails a gate."""
    unit = make_unit()
    other = unit.model_copy(update={"unit_id": "OTHER-1"})
    rejected = unit.model_copy(update={"unit_id": "OTHER-2", "quality": QualityStatus.REJECTED})

    assert count_fitting(make_request(count=3), []) == 0
    assert count_fitting(make_request(count=3), [unit, other, rejected, unit]) == 2


def test_an_empty_bank_says_so() -> None:
    """No units at all is a reason too."""
    assert match_units(make_request(), []).reason.startswith("0 of 0 units fit, 1 needed")


def test_a_unit_listed_twice_is_one_unit() -> None:
    """The same unit cannot serve two infusions."""
    assert match_units(make_request(count=2), [make_unit("U-1"), make_unit("U-1")]).units == ()


UNITS = st.builds(
    make_unit,
    st.sampled_from([f"U-{number}" for number in range(12)]),
    antigens=st.sampled_from(
        [(Antigen.MESOTHELIN, Antigen.TROP2), (Antigen.TROP2, Antigen.MESOTHELIN), (Antigen.HER2,)]
    ),
    million_cells=st.sampled_from([100.0, 300.0, 1000.0]),
    quality=st.sampled_from([QualityStatus.RELEASED, QualityStatus.RELEASED, QualityStatus.QUARANTINED]),
    expires_on=st.dates(date(2026, 5, 20), date(2026, 6, 20)),
)


def is_suitable(unit: Unit, request: UnitRequest) -> bool:
    """Say the rule once more, apart from the code under test."""
    return (
        set(unit.antigens) == set(request.target)
        and unit.quality == "released"
        and unit.million_cells >= request.million_cells
        and unit.expires_on >= request.last_infusion_on
    )


@given(units=st.lists(UNITS, max_size=12, unique_by=lambda unit: unit.unit_id), count=st.integers(1, 3))
def test_a_match_is_suitable_distinct_and_expires_no_later_than_what_is_left(units: list[Unit], count: int) -> None:
    """A match is whole or empty, never unsuitable, and leaves no suitable unit that expires earlier."""
    request = make_request(count=count)
    suitable = [unit for unit in units if is_suitable(unit, request)]

    chosen = match_units(request, units).units

    assert len(chosen) == (count if len(suitable) >= count else 0)
    assert all(unit in suitable for unit in chosen)
    assert len({unit.unit_id for unit in chosen}) == len(chosen)
    left = [unit for unit in suitable if unit not in chosen]
    assert all(taken.expires_on <= other.expires_on for taken in chosen for other in left)


@given(data=st.data(), units=st.lists(UNITS, max_size=12, unique_by=lambda unit: unit.unit_id))
def test_a_match_does_not_depend_on_the_bank_s_order(data: st.DataObject, units: list[Unit]) -> None:
    """Two readings of the same bank reserve the same units."""
    shuffled = data.draw(st.permutations(units))

    assert match_units(make_request(count=2), units) == match_units(make_request(count=2), shuffled)
