"""Objectives and policies as files: what is read, what is refused, and on which line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.policy import BurnPolicy, load_policies
from alerts.slo import CountRatio, ObjectiveRefused, RawRatio, load, read
from alerts.slo import shipped as slo_files
from metrics.errors import InputError

POLICIES = load_policies()
GOOD = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: home
  displayName: Home
  labels: {team: web}
spec:
  description: Pages.
  service: web
  indicator:
    metadata: {name: late}
    spec:
      ratioMetric:
        counter: false
        bad:
          metricSource:
            type: Prometheus
            spec: {query: playhead_home_pages_late}
        total:
          metricSource:
            type: Prometheus
            spec: {query: playhead_home_pages}
  timeWindow:
    - duration: 30d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.999
  alertPolicies:
    - alertPolicyRef: google-30d
"""


def _write(folder: Path, text: str, name: str = "slo.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_objectives_are_the_user_contract() -> None:
    objectives = {objective.name: objective for objective in load()}
    promised = {name: objective.target for name, objective in objectives.items() if objective.in_contract}
    assert promised == {
        "time-to-play-p99": Decimal("0.99"),
        "time-to-play-p50": Decimal("0.5"),
        "rebuffering-sessions": Decimal("0.999"),
        "home-page-latency": Decimal("0.99"),
        "rec-driven-share": Decimal("0.8"),
    }
    assert objectives["time-to-play-p99"].indicator == CountRatio(
        bad=("starts_late", "exits_late"), total=("starts", "exits_before_start")
    )
    assert objectives["rec-driven-share"].indicator == RawRatio(metric="rec_driven_hours_ratio", of="success")


def test_shares_are_exact(tmp_path: Path) -> None:
    (objective,) = load([_write(tmp_path, GOOD)])
    assert objective.budget == Decimal("0.001")
    percent = GOOD.replace("target: 0.999", "targetPercent: 99.95")
    (objective,) = load([_write(tmp_path, percent)])
    assert objective.budget == Decimal("0.0005")


def test_good_over_total_is_read_too(tmp_path: Path) -> None:
    text = GOOD.replace("bad:", "good:").replace("playhead_home_pages_late", "playhead_starts")
    (objective,) = load([_write(tmp_path, text)])
    assert objective.indicator == CountRatio(good=("starts",), total=("home_pages",))


def test_a_raw_ratio_must_be_in_the_catalogue(tmp_path: Path) -> None:
    shipped = next(path for path in slo_files() if path.name == "rec-driven-share.yaml")
    text = shipped.read_text(encoding="utf-8")
    for metric, said in (
        ("rec_driven_hour_ratio", "did you mean rec_driven_hours_ratio"),
        ("watch_hours", "is no ratio"),
    ):
        path = _write(tmp_path, text.replace("rec_driven_hours_ratio", metric))
        with pytest.raises(ObjectiveRefused, match=said) as raised:
            load([path])
        line = 1 + text[: text.index("metric: rec")].count("\n")
        assert raised.value.where == f"{path}:{line}"


def test_a_raw_ratio_has_no_counts_for_a_burn_rate(tmp_path: Path) -> None:
    shipped = next(path for path in slo_files() if path.name == "rec-driven-share.yaml")
    text = shipped.read_text(encoding="utf-8").replace("seasonal-baseline", "google-30d")
    with pytest.raises(ObjectiveRefused, match=r"can never fire at an objective of 0\.8"):
        load([_write(tmp_path, text)])
    with pytest.raises(ObjectiveRefused, match="a raw ratio has no counts to burn"):
        load([_write(tmp_path, text.replace("target: 0.8", "target: 0.99"))])


def test_textbook_factors() -> None:
    policy = load_policies()["google-30d"]
    assert isinstance(policy, BurnPolicy)
    factors = {pair.text: pair.factor(policy.period_ms) for pair in (*policy.page, *policy.ticket)}
    assert factors == {"1h/5m": 14.4, "6h/30m": 6.0, "1d/2h": 3.0, "3d/6h": 1.0}


def test_every_policy_cites_its_source() -> None:
    assert all(policy.source and policy.grade for policy in load_policies().values())


REFUSED = [
    ("target: 0.999", "target: 0.8", 30, r"can never fire .* page 1h/5m asks for 14.4 × 0.2 = 2.88"),
    ("target: 0.999", "target: 1", 28, "leaves no budget"),
    ("target: 0.999", "target: 0", 28, "leaves nothing but budget"),
    ("duration: 30d", "duration: 2d", 24, "window 3d of google-30d is longer than the period of 2d"),
    ("duration: 30d", "duration: 28d", 24, "made for a period of 30d, not 28d"),
    ("playhead_home_pages_late", "playhead_home_page_late", 18, "did you mean playhead_home_pages_late"),
    ("playhead_home_pages_late", "playhead_starts - playhead_attempts", 18, "is not the name of a gauge"),
    ("playhead_home_pages_late", "playhead_starts + playhead_starts", 18, "added twice"),
    ("counter: false", "counter: true", 14, "gauges, not counters; write `counter: false`"),
    ("google-30d", "google-3d", 30, "no alert policy 'google-3d'; did you mean google-30d"),
    ("google-30d", "seasonal-baseline", 30, "watches a ratio of the metric catalogue"),
    ("team: web", "sloth_id: web", 6, "label 'sloth_id' is taken"),
    ("team: web", "te-am: web, te.am: x", 6, "'te.am' is te_am to Prometheus, which is taken"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), REFUSED)
def test_what_nobody_could_keep_to_is_refused_on_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = _write(tmp_path, GOOD.replace(old, new))
    (refused,) = read([path])
    assert isinstance(refused, ObjectiveRefused)
    assert refused.where == f"{path}:{line}"
    with pytest.raises(ObjectiveRefused, match=said):
        load([path])


MALFORMED = [
    ("kind: SLO", "kind: Slo", 2, "kind: 'Slo' is no OpenSLO object; known: AlertCondition"),
    ("openslo/v1", "openslo/v1alpha", 1, "apiVersion"),
    ("name: home", "name: Home", 4, "metadata.name"),
    ("name: home", "name: hömé", 4, "metadata.name"),
    ("service: web", "servce: web", 7, r"spec.service: Field required.*1 more"),
    ("duration: 30d", "duration: 1y", 24, "not a duration such as"),
    ("duration: 30d", "duration: 1M", 24, "months, quarters and years need `calendar`"),
    ("isRolling: true", "isRolling: false", 24, "isRolling"),
    ("Occurrences", "Moments", 26, "budgetingMethod"),
    ("Occurrences", "Timeslices", 7, "Timeslices need `timeSliceTarget`"),
    ("target: 0.999", "target: 1.2", 28, "less than or equal to 1"),
    ("target: 0.999", "target: .nan", 28, "not a plain decimal number"),
    ("objectives:\n    - target: 0.999", "objectives: []", 27, "1 to 20 are read here, 0 given"),
    ("target: 0.999", "displayName: x", 28, "one of `target` and `targetPercent`"),
    ("bad:", "bed:", 15, "unknown field"),
    ("name: home", "name: home\n  name: away", 5, "key 'name' twice"),
    ("name: home", "name: &a home\n  displayName: *a", 5, "an alias"),
    ("name: home", "name: !!python/object/apply:os.getcwd []", 4, "metadata.name"),
    ("name: home", "name: !secret home", 4, "tag '!secret' is not read here"),
    ("name: home", "name: " + "[" * 50, 4, "nested deeper than"),
    ("name: home", "? [a]\n  : b", 4, "a key must be plain text"),
    ("name: home", "name: 'home", 0, "while scanning|found|expected"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), MALFORMED)
def test_what_cannot_be_read_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = _write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as raised:
        read([path])
    assert not isinstance(raised.value, ObjectiveRefused)
    assert "\n" not in str(raised.value)
    if line:
        assert raised.value.where == f"{path}:{line}"


def test_a_bomb_of_aliases_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    layers = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12))
    with pytest.raises(InputError, match="an alias"):
        read([_write(tmp_path, f"l0: &l0 [lol]\n{layers}")])
    with pytest.raises(InputError, match="an alias"):
        read([_write(tmp_path, "loop: &loop [*loop]")])


def test_size_and_number_of_documents_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="longer than 256 KiB"):
        read([_write(tmp_path, "#" * 300_000)])
    with pytest.raises(InputError, match="more than 200 documents"):
        read([_write(tmp_path, "---\nnull\n" * 300)])
    with pytest.raises(InputError, match="no document in it"):
        read([_write(tmp_path, "# nothing\n")])


def test_bytes_that_are_not_text_and_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_bytes(b"\xff\xfe\x00name: \x00")
    with pytest.raises(InputError, match=r"slo\.yaml"):
        read([tmp_path / "slo.yaml"])
    with pytest.raises(InputError, match="No such file"):
        read([tmp_path / "absent.yaml"])
    with pytest.raises(InputError, match="Is a directory"):
        read([tmp_path])


def test_two_objectives_of_one_name_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, GOOD + "---\n" + GOOD)
    first, second = read([path])
    assert not isinstance(first, ObjectiveRefused)
    assert isinstance(second, ObjectiveRefused)
    assert second.where == f"{path}:35"
    assert "stands at" in second.what


POLICY = """\
name: mine
kind: burn_rate
about: Mine.
source: Ours.
grade: assumed
period: 7d
bad_events_minimum: 5
ticket:
  - {long: 1d, short: 2h, budget_share_ratio: 0.2}
"""


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    policies = load_policies([_write(tmp_path, POLICY, "mine.yaml")])
    text = GOOD.replace("google-30d", "mine").replace("30d", "7d")
    (objective,) = load([_write(tmp_path, text)], policies)
    assert objective.policy == "mine"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("long: 1d", "long: 8d", 1, "longer than the period"),
        ("short: 2h", "short: 2d", 9, "not shorter than the long one"),
        ("kind: burn_rate", "kind: guess", 2, "is no alert policy"),
        ("name: mine", "name: google-30d", 1, "exists already"),
        ("ticket:\n  - {long: 1d, short: 2h, budget_share_ratio: 0.2}", "ticket: []", 1, "never fire"),
        ("grade: assumed", "grade: sure", 5, "grade"),
        ("budget_share_ratio: 0.2", "budget_share_ratio: 20", 9, "less than or equal to 1"),
    ],
)
def test_a_faulty_policy_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = _write(tmp_path, POLICY.replace(old, new), "mine.yaml")
    with pytest.raises(InputError, match=said) as raised:
        load_policies([path])
    assert raised.value.where == f"{path}:{line}"


@settings(max_examples=150, deadline=None)
@given(
    at=st.integers(0, len(GOOD)),
    cut=st.integers(0, 30),
    put=st.sampled_from(
        ["&a ", "*a", "!!set ", "? ", ": ", "- ", "[", "{", "}", "\x00", "\t", "'", "|", "---\n", "%YAML 1.1\n",
         ".inf", "1e999999999", "0x", "1:30", "~", "<<: ", "\u2028", "!<x> ", "yes", "2020-01-01", "1" * 60, "="]
    ),
)  # fmt: skip
def test_any_damage_to_a_file_is_one_line_or_no_damage(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    path = _write(tmp_path_factory.getbasetemp(), GOOD[:at] + put + GOOD[at + cut :], "damaged.yaml")
    said = f"{path}:"
    try:
        read([path], POLICIES)
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert said.startswith(str(path))
