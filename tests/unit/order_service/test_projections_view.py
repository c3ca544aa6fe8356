"""What the projections' commands print."""

from uuid import UUID

import orjson

from order_service.commands.projections import view
from order_service.commands.projections.command import _progress, _show
from projections.rebuild.comparison import Difference, TableComparison
from projections.rebuild.progress import KeptProgress
from projections.rebuild.status import GenerationStatus, Status
from projections.store.generations import Generation
from projections.store.parked import Parked
from projections.verification.drift import Drift, Field
from tests.unit.order_service.test_cli import orders

POISON = Parked("daily_sales", 3, 9, UUID(int=1), "poison", "ValueError: \x1b[31mred", 0, 0, b"")


def _status() -> Status:
    live = GenerationStatus(Generation("projections_1", 1, 12, "live"), 10, {0: 10}, [], 2, 0.5)
    building = GenerationStatus(Generation("projections_2", 1, 12, "building"), 4, {0: 4}, [POISON])
    return Status("projections_1", [live, building], [KeptProgress("projections_2", "folding", [10], 3.0, 2.0, None, 60.0)])


def test_status_is_as_the_interface_has_it():
    told = view.status_json(_status())
    assert told["live"] == "projections_1"
    assert {name: told["generations"][0][name] for name in ("schema", "state", "records", "lag_records", "lag_seconds")} == {
        "schema": "projections_1",
        "state": "live",
        "records": 10,
        "lag_records": 2,
        "lag_seconds": 0.5,
    }
    assert told["generations"][1]["rebuild"] == "interrupted"
    text = view.status_text(_status())
    assert "* projections_1" in text
    assert "./orders projections parked" in text


def test_what_a_terminal_would_obey_is_replaced():
    assert "\x1b" not in view.parked_text([POISON])
    drift = Drift("order_details", "changed", ("a\x1b",), [Field("status", "lost\n", None)])
    assert view.drift_text(drift) == "order_details a?: status is lost?, should be (null)\n"


def test_drift_names_table_key_field_and_both_values():
    drift = Drift("order_details", "changed", ("k",), [Field("status", "lost", "created"), Field("units", "1", "2")])
    assert view.drift_json(drift)[1] == {
        "table": "order_details",
        "key": ["k"],
        "kind": "changed",
        "field": "units",
        "there": "1",
        "should": "2",
    }
    assert view.drift_json(Drift("t", "extra", ("k",))) == [{"table": "t", "key": ["k"], "kind": "extra"}]
    assert view.drift_text(Drift("t", "missing", ("k", "2"))) == "t k/2: missing\n"


def test_a_comparison_shows_samples_of_what_differs():
    text = view.comparison_text([TableComparison("t", 2, 1, equal=False, note="n", samples=[Difference("(a)", None)])])
    assert "DIFFERENT" in text
    assert "live (a)" in text
    assert "new  (null)" in text


def test_progress_as_json_lines(capsys):
    with _progress(as_json=True) as shown:
        shown.say("nothing")
        _show(shown, "folding", {"records": 1, "total": 4, "rate": 2})
        _show(shown, "folding", {"records": 2, "total": 4, "rate": 2})
        _show(shown, "done", {"records": 4, "total": 4, "rate": 2})
    lines = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["progress"], line["records"]) for line in lines] == [("folding", 1), ("done", 4)]


def test_progress_as_plain_lines(capsys):
    with _progress(as_json=False) as shown:
        _show(shown, "folding", {"records": 1, "total": 4, "rate": 2.0, "eta_s": 1.5})
    assert capsys.readouterr().err == "folding  25.0 %, 1 of 4 records, 2/s, 2 s left\n"


def test_wrong_use_is_2():
    for arguments in (["rebuild", "--workers", "0"], ["retry", "no-uuid"], ["verify", "--order", "x"], ["drop"]):
        assert orders("projections", *arguments) == 2
