from simulation.bench_report import Bar, verdict


def test_a_figure_at_its_bar_keeps_it() -> None:
    assert Bar(0.7, at_least=True).is_kept(0.7)
    assert not Bar(0.7, at_least=True).is_kept(0.69)
    assert Bar(1.3).is_kept(1.3)
    assert not Bar(1.3).is_kept(1.31)


def test_the_report_says_of_each_figure_with_a_bar_whether_it_is_kept() -> None:
    assert verdict("same_commands_ratio", 0.8) == (">= 0.7", "kept")
    assert verdict("history_events", 801) == ("<= 800", "MISSED")
    assert verdict("participants_per_second", 1.7) == ("", "")
