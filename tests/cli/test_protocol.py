"""Protocol files through the `trial` command."""

from pathlib import Path

from cli.exit_codes import Exit
from protocols.loader import default_protocol_path
from tests.cli.trial_command import Trial


async def test_the_platform_protocol_is_sound_and_every_value_has_a_source(nowhere: Trial) -> None:
    checked = await nowhere.ok("protocol", "check", str(default_protocol_path()))
    assert checked["ok"]
    shown = await nowhere.ok("protocol", "show", "--sources")
    assert shown["protocol"]["sha256"] == checked["sha256"]
    assert [row["step"] for row in shown["schedule"]][:3] == ["biopsy", "antigen-panel", "eligibility"]
    assert shown["sources"]
    assert "infusion-1" in (await nowhere("protocol", "show")).out


async def test_a_protocol_that_contradicts_itself_is_refused_with_every_problem(nowhere: Trial, tmp_path: Path) -> None:
    """A course after a fourth infusion that is not planned, and an infusion window that outlasts the next infusion."""
    text = default_protocol_path().read_text(encoding="utf-8")
    file = tmp_path / "contradictory.yaml"
    broken = text.replace("after_infusions: [", "after_infusions: [9, ", 1)
    infusions = broken.index("\ninfusions:")
    window = broken.index("window_after_days:", infusions)
    line_end = broken.index("\n", window)
    file.write_text(f"{broken[:window]}window_after_days: 30{broken[line_end:]}", encoding="utf-8")
    refused = await nowhere("protocol", "check", str(file))
    refused.refuses(
        Exit.BAD_INPUT, "cytokine.after_infusions.0 = 9: infusions are numbered", "infusions.window_after_days = 30"
    )
    error = (await nowhere("protocol", "check", str(file), "--json")).json["error"]
    found = {(trouble["field"], trouble["value"]) for trouble in (error, *error["others"])}
    assert found == {("cytokine.after_infusions.0", "9"), ("infusions.window_after_days", "30")}
    (await nowhere("protocol", "check", "no-such.yaml")).refuses(Exit.BAD_INPUT, "no-such.yaml", "No such file")
