"""Economics of a lake: what is read, appended once, written; and the command line over it."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cost_model.rates import load
from cost_model.usage import Quarter
from metrics.charges import COMPUTED_ACCOUNT
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.query import measure
from metrics.telemetry import get_table
from metrics.upkeep import compact
from playhead.cli import main
from playhead.economics import Booked, bill_of, book, booked, economics, statement
from playhead.usage import measured_usage, paired_worlds

Q2 = Quarter.parse("2026Q2")


def at(month: int, day: int, hour: int = 0) -> int:
    return int(datetime(2026, month, day, hour, tzinfo=UTC).timestamp()) * 1000


def rows(table: str, *given: dict[str, Any]) -> pl.DataFrame:
    """Rows of a table: what is given, and something plain for every other required column."""
    contract = get_table(table)
    plain = {
        c.name: None if c.nullable else c.one_of[0] if c.one_of else _plain(c.dtype) for c in contract.columns
    }
    return pl.DataFrame([plain | row for row in given], schema=contract.schema, orient="row")


def _plain(dtype: Any) -> Any:
    return [] if isinstance(dtype, pl.List) else {pl.String: "", pl.Boolean: False}.get(dtype, 0)


def session(month: int, day: int, **given: Any) -> dict[str, Any]:
    start = at(month, day, 20)
    return {
        "start_ts_ms": start, "end_ts_ms": start + 3_600_000, "playing_ms": 3_600_000, "watched_ms": 3_600_500,
        "startup_ms": 500, "waited_ms": 500, "region": "north-america", "codec": "h264", "cdn": "own",
        "edge_bytes": 2 * 10**9, "weight": 10**6, "is_synthetic": True,
    } | given  # fmt: skip


def delivery(month: int, day: int, tier: str, size: int, **given: Any) -> dict[str, Any]:
    return {
        "ts_ms": at(month, day, 20), "interval_ms": 3_600_000, "region": "north-america", "isp": "isp-a", "tier": tier,
        "cdn": "own", "codec": "h264", "delivered_bytes": size,
    } | given  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.create(tmp_path / "lake")
    frames = {
        "playback_session": rows(
            "playback_session",
            session(4, 1),
            session(4, 2, excluded_reason="duplicate"),
            session(5, 1, region="south-asia", cdn="third_party"),
            session(7, 1),
        ),
        "delivery": rows(
            "delivery",
            delivery(4, 1, "edge", 9 * 10**14),
            delivery(4, 2, "storage", 10**14),
            delivery(5, 1, "third_party", 10**15, cdn="third_party", region="south-asia", isp="=cmd|x"),
            delivery(7, 1, "edge", 10**15),
        ),
        "membership": rows(
            "membership",
            *(
                {
                    "ts_ms": at(4, day), "subscriber_id": "s", "region": "north-america", "status": status,
                    "weight": 10**6,
                }
                for day, status in ((1, "paying"), (2, "paying"), (3, "trial"))
            ),
        ),
        "encode": rows(
            "encode", {"content_id": "t", "codec": "h264", "encoded_ts_ms": at(4, 1), "runtime_ms": 6_000_000}
        ),
        "control_request": rows(
            "control_request",
            {"ts_ms": at(4, 1), "service": "home", "region": "north-america", "status": 200, "weight": 10**6},
        ),
        "appliance_health": rows(
            "appliance_health",
            *(
                {
                    "ts_ms": at(4, 1, hour), "interval_ms": 3_600_000, "region": "north-america", "site": site,
                    "appliance": f"{site}-1", "tier": tier, "capacity_kbps": capacity, "status": "healthy",
                }
                for hour in (0, 1)
                for site, tier, capacity in (
                    ("a", "edge", 300_000_000), ("b", "edge", 1_000), ("x", "storage", 3 * 10**8),
                )
            ),
        ),
    }  # fmt: skip
    for table, frame in frames.items():
        done = lake.append(table, frame, application="test", version=0)
        assert done.quarantined == 0, done.reasons
    return lake


def test_usage_is_that_of_the_quarter(lake: Lake) -> None:
    usage, measured = measured_usage(lake, Q2, load())
    assert usage.total_bytes() == 2 * 10**15
    assert usage.total_hours() == 2 * 10**6  # the excluded session and July's are not counted
    assert usage.days["days"].to_list() == [2, 1]
    assert float(usage.member_months()) == pytest.approx(2 * 10**6 / 30.4375)
    (row,) = usage.fleet.to_dicts()
    # 300 Gbit/s ÷ sqrt(90 · 200) = 134 Gbit/s a server is 3, the small site has 1; 300 ÷ 200 is 2
    assert (row["sites"], row["edge_servers"], row["exchange_sites"], row["storage_servers"]) == (2, 4, 1, 2)
    assert measured["gb_per_hour"][0] == pytest.approx(1.0)
    assert measured["storage_tier_ratio"][0] == pytest.approx(0.1)
    assert measured["overflow_ratio"][0] == pytest.approx(0.5)


def test_charges_go_in_once_and_artefacts_are_written(lake: Lake) -> None:
    first = economics(lake, "2026Q2", ledger_residual=0)
    once = lake.scan("charge").collect()
    economics(lake, "2026Q2", ledger_residual=0)
    assert lake.scan("charge").collect().height == once.height == first.charges.height
    assert once["EffectiveCost"].sum() == first.charged_usd
    assert first.residual_usd == 0
    assert "Ledger closed" in lake.artefact("report.html").read_text(encoding="utf-8")
    figures = json.loads(lake.artefact("economics.json").read_text(encoding="utf-8"))
    assert figures["quarter"] == "2026Q2"
    assert figures["given"]["gb_per_hour"]["source"] == "measured in 2026Q2"


def test_players_telemetry_alone_is_enough(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "players")
    only = rows(
        "playback_session", session(4, 1, edge_bytes=0, unattributed_bytes=10**9, codec=None, cdn=None)
    )
    lake.append("playback_session", only, application="test", version=0)
    result = statement(lake, Q2, load())
    assert set(result.charges["SkuId"]) == {"third_party"}
    assert result.residual_usd == 0


def test_a_quarter_without_data_is_one_line(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no delivery and no sessions in 2025Q1; the lake has 2026Q2 to 2026Q3"
    ):
        statement(lake, Quarter.parse("2025Q1"), load())
    with pytest.raises(InputError, match="the lake has no sessions"):
        statement(Lake.create(tmp_path / "empty"), Q2, load())


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["cost", *map(str, arguments)])
    written = capsys.readouterr()
    return int(stop.value.code or 0), written.out, written.err


def test_the_report_command(lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    code, out, _ = run(
        capsys, "report", "--quarter", "2026Q2", "--lake", lake.path, "--out", folder, "--json"
    )
    assert code == 0
    assert json.loads(out)["breakeven_cdn"]["lean"]["policy"] == "lean"
    assert {path.name for path in folder.iterdir()} == {
        "report.html", "report.pdf", "report.xlsx", "economics.json", "charges.csv", "charges.parquet",
    }  # fmt: skip
    assert ",'=cmd|x," in (folder / "charges.csv").read_text(encoding="utf-8")
    first = (folder / "report.html").read_bytes()
    run(capsys, "report", "--quarter", "2026Q2", "--lake", lake.path, "--out", folder)
    assert (folder / "report.html").read_bytes() == first
    assert lake.scan("charge").collect().height == 0  # a report alone writes nothing into the lake


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("report", "--quarter", "2025Q1"), "no delivery and no sessions in 2025Q1"),
        (("report", "--quarter", "soon"), "'soon' is not a quarter; write it as 2026Q2"),
        (("breakeven", "cdn", "--price", "0"), "--price"),
        (("breakeven", "cdn", "--rates", "absent.toml"), "absent.toml: cannot be read"),
        (("rates", "check", "absent.toml"), "absent.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    lake: Lake, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    where = ("--lake", lake.path) if arguments[0] == "report" else ()
    code, out, err = run(capsys, *arguments, *where)
    assert code == 2
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


def test_breakeven_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "breakeven", "cdn", "--price", "0.0037", "--policy", "dense", "--json")
    figures = json.loads(out)["dense"]
    assert code == 0
    assert "third_party_price" not in {driver["rate"] for driver in figures["drivers"]}
    code, out, _ = run(capsys, "breakeven", "encoding", "--saving", "0.3", "--json")
    assert code == 0
    assert json.loads(out)["third_party"]["labels"]["av1_saving_ratio"] == "given"
    code, out, _ = run(capsys, "breakeven", "encoding")
    assert code == 0
    assert "12 months at third-party price take" in out


def test_both_worlds_of_one_seed_price_av1(lake: Lake) -> None:
    """H.264 alone needs 2 GB an hour; with a fifth of the hours in AV1, 1.88: it saves 30 % of their bytes."""
    lake.append(
        "playback_session",
        rows("playback_session", session(4, 2, codec="av1", weight=500_000)),
        application="more",
        version=0,
    )
    worlds = rows(
        "truth_counterfactual",
        *(
            {
                "world": world,
                "region": region,
                "codec": "all",
                "playing_ms": 3_600_000_000,
                "edge_bytes": size,
            }
            for region in ("a", "b")
            for world, size in (("factual", 1_880 * 10**9), ("h264_only", 2_000 * 10**9))
        ),
    )
    assert paired_worlds(lake, measured_usage(lake, Q2, load())[0]) == {}
    lake.append("truth_counterfactual", worlds, application="test", version=0)
    found = paired_worlds(lake, measured_usage(lake, Q2, load())[0])
    assert found["av1_device_ratio"][0] == pytest.approx(0.2)
    assert found["av1_saving_ratio"][0] == pytest.approx(0.3)
    assert found["gb_per_hour"][0] == pytest.approx(2.0)
    assert statement(lake, Q2, load()).as_dict()["given_encoding"]["gb_per_hour"]["value"] == pytest.approx(
        2.0
    )


def test_the_catalogue_says_the_same(lake: Lake) -> None:
    """Unit costs here and the metrics of the catalogue are one definition, computed twice."""
    result = economics(lake, "2026Q2")
    start, end = Q2.ts_ms()
    names = {
        "cost_per_stream_hour_usd": "usd_per_hour",
        "cost_per_subscriber_month_usd": "usd_per_member_month",
    }
    found = measure(lake, list(names), start_ts_ms=start, end_ts_ms=end)
    for metric, value in found.select("metric", "value").iter_rows():
        assert value == pytest.approx(float(result.total[names[metric]]), rel=1e-6)


def test_a_small_lake_has_its_point_inside_its_interval(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "small")
    only = rows("playback_session", session(4, 1, edge_bytes=0, unattributed_bytes=10**9, weight=1))
    lake.append("playback_session", only, application="test", version=0)
    result = statement(lake, Q2, load())
    figure = result.figures["usd_per_hour"]
    assert 0 < figure.interval.low < figure.value < figure.interval.high < 0.1
    assert result.residual_usd == 0
    assert result.charges["EffectiveCost"].sum() == result.charged_usd


def test_sessions_without_bytes_are_called_so(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "bare")
    only = rows("playback_session", session(4, 1, edge_bytes=0))
    lake.append("playback_session", only, application="test", version=0)
    with pytest.raises(InputError, match=r"sessions of 2026Q2 have no bytes.*map unattributed_bytes"):
        statement(lake, Q2, load())


def test_an_hour_whose_bytes_nobody_told_is_no_cheap_hour(tmp_path: Path) -> None:
    """1 GB and 2 GB an hour cost the same as without the session that tells hours alone, or bytes alone."""
    told = [session(4, 1, edge_bytes=0, unattributed_bytes=size * 10**9, weight=1) for size in (1, 2)]
    untold = [
        session(4, 1, edge_bytes=0, flags="bytes_unknown"),
        session(4, 1, edge_bytes=0, unattributed_bytes=10**9, playing_ms=0, flags="playing_unknown"),
    ]
    costs = []
    for name, given in (("told", told), ("both", [*told, *untold])):
        lake = Lake.create(tmp_path / name)
        lake.append("playback_session", rows("playback_session", *given), application="test", version=0)
        result = statement(lake, Q2, load())
        assert result.usage.total_hours() == 2
        assert result.usage.total_bytes() == 3 * 10**9
        costs.append((result.cost_usd, result.figures["usd_per_hour"].value))
    assert costs[0] == costs[1]
    lake = Lake.create(tmp_path / "untold")
    lake.append("playback_session", rows("playback_session", *untold), application="test", version=0)
    with pytest.raises(InputError, match="no bytes beside a time playing"):
        statement(lake, Q2, load())


def test_the_bill_stands_beside_the_model(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    economics(lake, "2026Q2")  # charges written here are no bill
    modelled = run(capsys, "report", "--quarter", "2026Q2", "--lake", lake.path, "--json")
    assert json.loads(modelled[1])["bill"] is None
    charge = {
        "x_period_start_ts_ms": at(4, 1), "x_period_end_ts_ms": at(5, 1), "BillingAccountId": "acme",
        "BillingCurrency": "USD", "BilledCost": 2_000, "EffectiveCost": 1_000, "ListCost": 0,
        "x_cost_pool": "delivery",
    }  # fmt: skip
    later = {"x_period_start_ts_ms": at(7, 1), "x_period_end_ts_ms": at(8, 1)}
    received = rows(
        "charge",
        charge,
        charge | {"x_cost_pool": None, "EffectiveCost": 500},
        charge | {"BillingCurrency": "EUR"},
        charge | later,
    )
    lake.append("charge", received, application="ingest/charges/test", version=0)
    code, out, _ = run(capsys, "report", "--quarter", "2026Q2", "--lake", lake.path, "--json")
    assert code == 0
    bill = json.loads(out)["bill"]
    assert json.loads(lake.artefact("economics.json").read_text(encoding="utf-8"))["bill"] == bill
    assert (bill["charges"], bill["without_pool"], bill["not_in_usd"]) == (3, 1, 1)
    assert (float(bill["billed_usd"]), float(bill["effective_usd"])) == (4_000, 1_500)
    assert bill["usd_per_hour"] == pytest.approx(1_000 / (2 * 10**6))
    assert json.loads(out)["cost_usd"] == json.loads(modelled[1])["cost_usd"]
    assert "By the bill a stream hour cost $0.000500" in lake.artefact("report.html").read_text(
        encoding="utf-8"
    )
    _, out, _ = run(capsys, "report", "--quarter", "2026Q2", "--lake", lake.path)
    assert "your bill: $4.0 k billed, $1.5 k effective" in out


def test_a_bad_bill_leaves_no_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as stop:
        main(["ingest", "charges", str(tmp_path / "bad.csv"), "--lake", str(tmp_path / "new")])
    assert stop.value.code == 2
    assert not (tmp_path / "new").exists()
    assert "no column" in capsys.readouterr().err


OWN_RATES = """[third_party_price]
about = "contract price"
value = 0.02
unit = "USD/GB"
currency = "USD"
effective_from = 2024-01-01
region = "global"
source = "our contract"
grade = "measured"
"""
BILL = {
    "x_period_start_ts_ms": at(4, 1), "x_period_end_ts_ms": at(5, 1), "BillingAccountId": "acme",
    "BillingCurrency": "USD", "BilledCost": 2_000, "EffectiveCost": 1_000, "ListCost": 0, "x_cost_pool": "delivery",
}  # fmt: skip


def _charged(lake: Lake) -> tuple[int, int, Decimal]:
    """Rows of charges in the lake, of them received, and the effective cost of those computed."""
    found = lake.scan("charge").collect()
    ours = found.filter(pl.col("BillingAccountId") == COMPUTED_ACCOUNT)
    return found.height, found.height - ours.height, Decimal(ours["EffectiveCost"].sum())


def test_charges_follow_changed_rates_and_the_bill_stays(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text(OWN_RATES)
    first = economics(lake, "2026Q2")
    lake.append("charge", rows("charge", BILL), application="ingest/charges/test", version=0)
    compact(lake)  # bill and computed charges share a file now
    report = ("report", "--quarter", "2026Q2", "--lake", lake.path)
    dear = ("--rates", tmp_path / "own.toml")
    # The third party delivers half of 2 · 10^15 bytes, at $0.02 a GB.
    changed = statement(lake, Q2, load(tmp_path / "own.toml"))
    third_party = pl.col("SkuId") == "third_party"
    assert changed.charges.filter(third_party)["EffectiveCost"].sum() == 20_000

    _, out, _ = run(capsys, *report, *dear, "--out", tmp_path / "look")
    assert "version 1, not this report's; without --out they follow the report" in out
    assert _charged(lake) == (first.charges.height + 1, 1, first.charged_usd)

    _, out, _ = run(capsys, *report, *dear)
    assert re.search(r"charges in the lake, content with them: .* effective instead of .*, version 2", out)
    assert _charged(lake) == (changed.charges.height + 1, 1, changed.charged_usd)
    start, end = Q2.ts_ms()
    found = measure(lake, ["cost_per_stream_hour_usd"], start_ts_ms=start, end_ts_ms=end)
    told = json.loads(lake.artefact("economics.json").read_text(encoding="utf-8"))
    assert float(told["cost_usd"]) == float(changed.cost_usd)
    # April's delivery is what the bill says; all else is as computed.
    is_billed = (pl.col("x_cost_pool") == "delivery") & (pl.col("x_period_start_ts_ms") == at(4, 1))
    serving = pl.col("x_cost_pool") != "content"
    assert (
        found["numerator"].item()
        == changed.charges.filter(~is_billed, serving)["EffectiveCost"].sum() + 1_000
    )

    _, out, _ = run(capsys, *report, *dear)
    assert "charges in the lake: this report's, version 2" in out
    assert _charged(lake) == (changed.charges.height + 1, 1, changed.charged_usd)


def test_charges_follow_what_was_used_and_leave_other_quarters(lake: Lake) -> None:
    third = economics(lake, "2026Q3")
    economics(lake, "2026Q2")
    more = rows("delivery", delivery(6, 1, "third_party", 10**15, cdn="third_party"))
    lake.append("delivery", more, application="more", version=0)
    second = economics(lake, "2026Q2")
    assert _charged(lake)[2] == second.charged_usd + third.charged_usd
    assert booked(lake, Q2) == Booked(2, second.charged_usd)
    assert booked(lake, Quarter.parse("2026Q3")) == Booked(1, third.charged_usd)
    assert booked(lake, Quarter.parse("2026Q1")) is None


def test_charges_cut_off_before_their_commit_are_the_old_ones(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.toml").write_text(OWN_RATES)
    first = economics(lake, "2026Q2")
    changed = statement(lake, Q2, load(tmp_path / "own.toml"))
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "commit", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            book(lake, changed)
    assert _charged(lake)[2] == first.charged_usd
    assert book(lake, changed)
    assert _charged(lake) == (changed.charges.height, 0, changed.charged_usd)


def _cut_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_charges_booked_by_several_at_once_are_booked_once(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN_RATES)
    economics(lake, "2026Q2")
    changed = statement(lake, Q2, load(tmp_path / "own.toml"))
    with ThreadPoolExecutor(4) as pool:
        did = list(pool.map(lambda _: book(lake, changed), range(4)))
    assert did.count(True) == 1
    assert booked(lake, Q2) == Booked(2, changed.charged_usd)
    assert _charged(lake) == (changed.charges.height, 0, changed.charged_usd)


def test_a_bill_is_for_the_hours_of_all_sessions(tmp_path: Path) -> None:
    """Three sessions in four tell that they played an hour; the bill is for four hours."""
    lake = Lake.create(tmp_path / "mixed")
    silent = session(4, 2, edge_bytes=0, playing_ms=0, flags="playing_unknown", unattributed_bytes=10**9)
    told = [session(4, 1, edge_bytes=0, unattributed_bytes=10**9) for _ in range(3)]
    lake.append("playback_session", rows("playback_session", *told, silent), application="test", version=0)
    lake.append("charge", rows("charge", BILL), application="ingest/charges/test", version=0)
    bill = bill_of(lake, statement(lake, Q2, load()))
    assert bill is not None
    assert bill.hours_told_ratio == 0.75
    assert bill.usd_per_hour == pytest.approx(1_000 / (4 * 10**6))


@pytest.mark.parametrize(
    ("received", "counted"),
    [
        ({}, {"own", "third_party", "encoding"}),  # nothing received: all that was computed
        ({"x_cdn": "third_party"}, {"own", "encoding"}),  # a third party's bill leaves the own CDN's costs
        ({"x_cdn": None}, {"encoding"}),  # a bill of all delivery
        ({"x_cdn": None, "x_period_start_ts_ms": at(4, 20), "x_period_end_ts_ms": at(4, 21)}, {"encoding"}),
        ({"x_cdn": None, "x_period_start_ts_ms": at(5, 1), "x_period_end_ts_ms": at(6, 1)},
         {"own", "third_party", "encoding"}),
        ({"x_cdn": None, "BillingCurrency": "EUR"}, {"own", "third_party", "encoding"}),
        ({"x_cost_pool": None}, {"own", "third_party", "encoding"}),
    ],
)  # fmt: skip
def test_a_bill_takes_the_place_of_what_was_computed(
    tmp_path: Path, received: dict[str, Any], counted: set[str]
) -> None:
    lake = Lake.create(tmp_path / "both")
    computed = {"own": 100, "third_party": 10, "encoding": 1}
    ours = [
        BILL | {"BillingAccountId": COMPUTED_ACCOUNT, "EffectiveCost": cost}
        | ({"x_cost_pool": "encoding", "x_cdn": None} if name == "encoding" else {"x_cdn": name})
        for name, cost in computed.items()
    ]  # fmt: skip
    bill = [BILL | {"EffectiveCost": 5_000} | received] if received else []
    lake.append("charge", rows("charge", *ours, *bill), application="test", version=0)
    lake.append("playback_session", rows("playback_session", session(4, 1)), application="test", version=0)
    is_in = bool(bill) and bill[0]["BillingCurrency"] == "USD" and bill[0]["x_cost_pool"] is not None
    expected = sum(computed[name] for name in counted) + 5_000 * is_in
    start, end = Q2.ts_ms()
    for first, last in ((None, None), (start, end)):
        found = measure(lake, ["cost_per_stream_hour_usd"], start_ts_ms=first, end_ts_ms=last)
        assert found["numerator"].item() == expected
    by_cdn = measure(lake, ["cost_per_stream_hour_usd"], by=["cdn"], start_ts_ms=start, end_ts_ms=end)
    assert by_cdn["numerator"].sum() == expected
