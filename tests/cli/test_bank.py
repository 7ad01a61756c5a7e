"""The bank through the `trial` command."""

import uuid
from datetime import date
from pathlib import Path

from activities.bank_file import COLUMNS
from activities.database import Pool
from cli.exit_codes import Exit
from tests.cli.trial_command import Trial


async def test_a_bank_file_loads_its_good_rows_and_lists_the_others(trial: Trial, pool: Pool, tmp_path: Path) -> None:
    """A duplicate, an expired unit and an unknown antigen are rejected by line; loading it again changes nothing."""
    mark = uuid.uuid4().hex[:6].upper()
    rows = [
        f"U-{mark}-1,LOT-1,D-1,mesothelin,1000,released,2040-01-01",
        f"U-{mark}-1,LOT-1,D-1,mesothelin,1000,released,2040-01-01",
        f"U-{mark}-2,LOT-1,D-1,mesothelin,1000,released,{date(2020, 1, 1)}",
        f"U-{mark}-3,LOT-1,D-1,CD19,1000,released,2040-01-01",
        f"U-{mark}-4,LOT-1,D-1,mesothelin+HER2,1000,released,2040-01-01",
    ]
    file = tmp_path / "units.csv"
    file.write_text("\n".join([",".join(COLUMNS), *rows]))
    (await trial("bank", "load", str(file))).refuses(Exit.BAD_INPUT, "--as", "TRIAL_PERSON")
    loaded = await trial("bank", "load", str(file), "--as", "pharm-01", "--json")
    assert loaded.code == Exit.PARTLY_DONE
    assert loaded.json["loaded"] == [f"U-{mark}-1", f"U-{mark}-4"]
    rejected = [(row["line"], row["field"], row["value"]) for row in loaded.json["rejected"]]
    assert rejected == [(3, "unit_id", f"U-{mark}-1"), (4, "expires_on", "2020-01-01"), (5, "antigens", "CD19")]
    assert all(row["rule"] for row in loaded.json["rejected"])
    again = await trial("bank", "load", str(file), "--as", "pharm-01")
    assert (again.code, again.err) == (Exit.PARTLY_DONE, "")
    assert "loaded 0, rejected 5" in again.out
    assert await pool.fetchval("SELECT count(*) FROM unit WHERE unit_id LIKE $1", f"U-{mark}-%") == 2
    assert "mesothelin" in (await trial("bank", "status")).out
    file.write_text("unit,lot\n")
    (await trial("bank", "load", str(file), "--as", "pharm-01")).refuses(Exit.BAD_INPUT, "header = unit,lot")
