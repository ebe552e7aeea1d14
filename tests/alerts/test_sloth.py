"""Sloth's specifications give the rules that Sloth makes of them, compared as parsed expressions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rule_file import render
from alerts.sloth import sloth_rules
from alerts.sloth_base import prometheus_duration
from metrics.errors import InputError

FIXTURES = Path(__file__).parent / "fixtures" / "sloth"
CASES = sorted((FIXTURES / "in").glob("*.yml"))
WINDOWS = sorted((FIXTURES / "windows").glob("*.yaml"))


def parsed(groups: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Groups with every expression as its parser prints it, whatever its spaces and quotes were."""
    return [
        (
            group["name"],
            [{**rule, "expr": promql_parser.parse(rule["expr"]).prettify()} for rule in group["rules"]],
        )
        for group in groups
    ]


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_every_example_gives_sloths_own_rules(case: Path) -> None:
    documents = yaml.safe_load_all((FIXTURES / "out" / case.name).read_text(encoding="utf-8"))
    wanted = [group for document in documents if document for group in document["groups"]]
    assert wanted
    found = sloth_rules([case], labels={"cmd": "examplesgen.sh"})["groups"]
    assert parsed(found) == parsed(wanted)


@pytest.mark.parametrize("windows", WINDOWS, ids=[windows.stem for windows in WINDOWS])
def test_windows_of_ones_own_set_ranges_factors_and_period(windows: Path) -> None:
    spec = yaml.safe_load(windows.read_text(encoding="utf-8"))["spec"]
    groups = sloth_rules([FIXTURES / "in" / "getting-started.yml"], windows=[windows])["groups"]
    records = {rule["record"] for rule in groups[0]["rules"]}
    hours = {"m": 1 / 60, "h": 1, "d": 24}

    def as_hours(text: str) -> float:
        return int(text[:-1]) * hours[text[-1]]

    period = as_hours(spec["sloPeriod"])
    ranges = {prometheus_duration(round(period * 3_600_000))}
    for rule, severity in zip(groups[2]["rules"], ("page", "ticket"), strict=True):
        for speed in spec[severity].values():
            ranges |= {
                prometheus_duration(round(as_hours(speed[f"{w}Window"]) * 3_600_000))
                for w in ("short", "long")
            }
            factor = float(speed["errorBudgetPercent"]) * period / 100 / as_hours(speed["longWindow"])
            assert f"> ({repr(factor).removesuffix('.0')} * " in rule["expr"]
    assert records == {f"slo:sli_error:ratio_rate{text}" for text in ranges}


SPEC = """\
version: prometheus/v1
service: web
labels: {tier: 2}
slos:
  - name: latency
    objective: 99.5
    labels: {tier: "1", team: core}
    sli:
      raw:
        error_ratio_query: 1 - (sum(rate(fast[{{ .window }}])) / sum(rate(all[{{.window}}])))
    alerting:
      name: Slow
      labels: {a: both}
      annotations: {note: both, runbook: "https://example.org/{{ $labels.sloth_slo }}"}
      page_alert: {labels: {a: page}, annotations: {note: page}}
      ticket_alert: {disable: true}
"""


def write(folder: Path, text: str, name: str = "spec.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_raw_ratios_labels_and_one_alert_alone(tmp_path: Path) -> None:
    sli, meta, alerts = sloth_rules([write(tmp_path, SPEC)])["groups"]
    assert sli["rules"][0]["expr"] == "(1 - (sum(rate(fast[5m])) / sum(rate(all[5m]))))"
    assert meta["rules"][0]["labels"]["tier"] == "1"
    (page,) = alerts["rules"]
    assert page["labels"] == {"sloth_severity": "page", "a": "page"}
    assert page["annotations"]["note"] == "page"
    # Sloth's annotations are templates, and stay so.
    assert page["annotations"]["runbook"] == "https://example.org/{{ $labels.sloth_slo }}"


def test_a_kubernetes_object_gives_the_same_rules(tmp_path: Path) -> None:
    plain = yaml.safe_load(SPEC)
    (slo,) = plain["slos"]
    slo["sli"]["raw"] = {"errorRatioQuery": slo["sli"]["raw"]["error_ratio_query"]}
    alerting = slo["alerting"]
    alerting["pageAlert"], alerting["ticketAlert"] = alerting.pop("page_alert"), alerting.pop("ticket_alert")
    kubernetes = {
        "apiVersion": "sloth.slok.dev/v1",
        "kind": "PrometheusServiceLevel",
        "metadata": {"name": "web", "namespace": "monitoring"},
        "spec": {"service": "web", "labels": plain["labels"], "slos": [slo]},
    }
    found = sloth_rules([write(tmp_path, yaml.safe_dump(kubernetes))])["groups"]
    wanted = sloth_rules([write(tmp_path, SPEC, "plain.yml")])["groups"]
    assert found[0] == wanted[0]
    assert found[2] == wanted[2]
    assert found[1]["rules"][-1]["labels"]["sloth_mode"] == "cli-gen-k8s"


def test_several_specifications_in_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, SPEC + "---\n" + SPEC.replace("service: web", "service: app"))
    assert len(sloth_rules([path])["groups"]) == 6
    with pytest.raises(InputError, match=r"spec\.yml:22: objective 'web-latency' stands at .*:5 already"):
        sloth_rules([write(tmp_path, SPEC + "---\n" + SPEC)])


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("prometheus/v1", "prometheus/v2", 1, "version"),
        ("objective: 99.5", "objective: 100", 6, "less than 100"),
        ("objective: 99.5", "objective: 0", 6, "greater than 0"),
        ("error_ratio_query", "error_query", 9, "Field required"),
        ("[{{.window}}]", "[5m] offset 1m", 10, None),
        (
            "1 - (sum(rate(fast[{{ .window }}])) / sum(rate(all[{{.window}}])))",
            "up",
            9,
            r"without \{\{.window",
        ),
        ("[{{.window}}]", "[{{.window}}] + {{.other}}", 9, r"template other than"),
        ("name: Slow", "", 11, "alerts without a name"),
        ("    sli:\n      raw:", "    plugins: {chain: []}\n    sli:\n      raw:", 8, None),
        ("    sli:\n      raw:", "    plugins: {chain: [{id: own/v1}]}\n    sli:\n      raw:", 8, "Go code"),
        (
            "    sli:\n      raw:",
            "    plugins: {overridePrevious: true}\n    sli:\n      raw:",
            8,
            "replaces",
        ),
        (
            "    sli:\n      raw:",
            "    plugins: {chain: [{id: sloth.dev/contrib/info_labels/v1}]}\n    sli:\n      raw:",
            8,
            "labels",
        ),
        ("team: core", "te-am: core", 7, "not a Prometheus label name"),
        ("slos:", "slo:", 1, "slos: Field required"),
        ("service: web", "service: 'w b'", 2, "service"),
    ],
)
def test_what_sloth_could_not_use_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str | None
) -> None:
    path = write(tmp_path, SPEC.replace(old, new, 1))
    if said is None:
        assert sloth_rules([path])
        return
    with pytest.raises(InputError, match=said) as raised:
        sloth_rules([path])
    assert raised.value.where == f"{path}:{line}"


def test_a_plugin_no_windows_and_no_specification_are_refused(tmp_path: Path) -> None:
    plugin = SPEC.replace("      raw:", "      plugin:").replace("        error_ratio_query", "        id")
    with pytest.raises(InputError, match="Go code"):
        sloth_rules([write(tmp_path, plugin)])
    with pytest.raises(InputError, match="no alert windows for a period of 90d; give some; known: 30d, 4w"):
        sloth_rules([write(tmp_path, SPEC)], period="90d")
    with pytest.raises(InputError, match="no Sloth specification"):
        sloth_rules([write(tmp_path, "apiVersion: openslo/v1\nkind: SLO\n")])


def test_a_duration_is_written_as_prometheus_writes_it() -> None:
    hours = {1: "1h", 36: "1d12h", 168: "1w", 672: "4w", 720: "30d", 8760: "1y"}
    assert {h: prometheus_duration(h * 3_600_000) for h in hours} == hours


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_rules_of_every_example(tmp_path: Path) -> None:
    for case in CASES:
        path = write(tmp_path, render(sloth_rules([case])), case.name)
        ran = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr


@settings(max_examples=150, deadline=None)
@given(
    at=st.integers(0, len(SPEC)),
    cut=st.integers(0, 40),
    put=st.sampled_from(
        ["&a ", "*a", "!!set ", ": ", "- ", "[", "{", "}}", "\x00", "'", "---\n", ".inf", "~", "1e999", "{{"]
    ),
)
def test_any_damage_to_a_specification_is_one_line_or_no_damage(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), SPEC[:at] + put + SPEC[at + cut :], "damaged.yml")
    said = f"{path}:"
    try:
        sloth_rules([path])
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert said.startswith(str(path))


def test_plugins_that_need_no_go_do_to_the_rules_what_sloths_do(tmp_path: Path) -> None:
    chain = """    plugins:
      chain:
        - {id: sloth.dev/core/debug/v1, priority: 9999, config: {msg: last}}
        - {id: sloth.dev/contrib/info_labels/v1, config: {labels: {team-of: web}}}
        - {id: sloth.dev/contrib/info_labels/v1, priority: -1, config: {labels: {too-soon: "1"}}}
        - {id: sloth.dev/contrib/remove_labels/v1, config: {preserveLabels: [tier]}}
        - {id: sloth.dev/contrib/rule_intervals/v1, config: {interval: {default: 2m, alert: 30s}}}
"""
    spec = SPEC.replace("    sli:\n", f"{chain}    sli:\n")
    sli, meta, alerts = sloth_rules([write(tmp_path, spec)])["groups"]
    assert [group["interval"] for group in (sli, meta, alerts)] == ["2m", "2m", "30s"]
    identity = {"sloth_id", "sloth_service", "sloth_slo", "tier"}
    assert all(set(rule["labels"]) == identity | {"sloth_window"} for rule in sli["rules"])
    info = next(rule for rule in meta["rules"] if rule["record"] == "sloth_slo_info")
    assert all(set(rule["labels"]) == identity for rule in meta["rules"] if rule is not info)
    assert info["labels"]["team-of"] == "web"
    assert info["labels"]["sloth_mode"] == "cli-gen-prom"
    assert "too-soon" not in info["labels"]
