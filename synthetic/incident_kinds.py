"""The kinds of incidents a scenario may script: what each hits, what its scope may name, what its severity means.

The kinds are those that operators of video services have reported in public: configuration pushes, control plane
loss, crashed and full clusters, withdrawn peering, failed fills, authorisation, bad encodes, bad player versions,
congested access networks, events that everybody opens at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["KINDS", "PLACE_SCOPES", "SCOPES", "Kind", "kinds_table"]

PLACE_SCOPES = ("region", "country", "isp", "exchange", "site")
CLIENT_SCOPES = ("device", "os", "player_version", "codec")
SCOPES = PLACE_SCOPES + CLIENT_SCOPES


@dataclass(frozen=True)
class Kind:
    """``hits`` and ``severity`` in words; ``severity`` is a share of something, 0..1.

    ``scope``: attributes that a scope may name, all others are refused; ``needs``: those it must name.
    ``moves``: the metric of the catalogue that shows it first.
    """

    hits: str
    severity: str
    moves: str
    scope: tuple[str, ...]
    needs: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "config_push": Kind(
            hits="edges answer play requests with an error: a technical start failure, after the wait",
            severity="play requests answered by edges in scope that fail",
            moves="start_failure_technical_ratio",
            scope=PLACE_SCOPES,
        ),
        "appliance_crash": Kind(
            hits="embedded appliances are down, and report it",
            severity="edge egress capacity lost",
            moves="edge_offload_ratio",
            scope=PLACE_SCOPES,
        ),
        "cluster_saturation": Kind(
            hits="embedded appliances give less than they should without being down",
            severity="edge egress capacity lost",
            moves="edge_offload_ratio",
            scope=PLACE_SCOPES,
        ),
        "peering_loss": Kind(
            hits="the private peering of ISPs with their exchange is withdrawn",
            severity="capacity between the ISP and its exchange lost",
            moves="time_to_play_p99_ms",
            scope=("region", "country", "isp", "exchange"),
        ),
        "fill_failure": Kind(
            hits="the nightly push does not reach the sites",
            severity="the night's push that does not arrive",
            moves="fill_ratio",
            scope=PLACE_SCOPES,
        ),
        "access_congestion": Kind(
            hits="throughput between the site and the viewer",
            severity="throughput lost",
            moves="rebuffer_ratio",
            scope=("region", "country", "isp", "site"),
        ),
        "bad_encode": Kind(
            hits="renditions of a codec are broken: plays fail at the start or while playing, half each",
            severity="plays of that codec that fail",
            moves="playback_failure_ratio",
            scope=("codec", "device", "os"),
            needs=("codec",),
        ),
        "player_bug": Kind(
            hits="a player version breaks off while playing",
            severity="plays of that version that fail",
            moves="playback_failure_ratio",
            scope=("player_version", "device", "os", "region", "country"),
            needs=("player_version",),
        ),
        "recommendation_outage": Kind(
            hits="home pages fall back to what is popular",
            severity="home pages that fall back",
            moves="home_degraded_ratio",
            scope=("region", "country", "device"),
        ),
        "auth_outage": Kind(
            hits="play requests are not authorised: a technical start failure, after a timeout",
            severity="play requests refused",
            moves="start_failure_technical_ratio",
            scope=("region", "country", "device", "os", "player_version"),
        ),
        "control_plane_loss": Kind(
            hits="appliances lose the control plane and take no new sessions; running ones go on",
            severity="edge capacity that takes no new sessions",
            moves="edge_offload_ratio",
            scope=PLACE_SCOPES,
        ),
        "live_surge": Kind(
            hits="members open the service for an event, on top of their usual visits; load rises alike",
            severity="members in scope who come, spread evenly over the ramp",
            moves="attempts",
            scope=("region", "country", "isp", "site"),
        ),
    }
)


def kinds_table() -> str:
    """The kinds as a Markdown table, for ``docs/scenarios.md``."""
    rows = [
        "| kind | what it hits | scope may name | severity: share of | moves first |",
        "|---|---|---|---|---|",
    ]
    for name, kind in KINDS.items():
        scope = ", ".join(f"**{key}**" if key in kind.needs else key for key in kind.scope)
        rows.append(f"| `{name}` | {kind.hits} | {scope} | {kind.severity} | `{kind.moves}` |")
    return "\n".join(rows) + "\n"
