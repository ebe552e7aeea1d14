"""Plugins that Sloth ships and that need no Go: what they do to an objective's rules is done here.

| plugin (``sloth.dev/…/v1``) | what it does |
|---|---|
| ``core/debug``, ``noop``, ``validate`` | nothing to the rules |
| ``core/sli_rules``, ``metadata_rules``, ``alert_rules`` | the three groups, which are made without a plugin, too |
| ``contrib/info_labels`` | labels on ``sloth_slo_info``, or on the metadata series ``metricName`` |
| ``contrib/remove_labels`` | labels off recorded series: those neither of the identity nor to be preserved |
| ``contrib/rule_intervals`` | evaluation intervals of the three groups |

Every other one is somebody's Go code, which is not run here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from alerts import names
from alerts.source import Document, Loc
from metrics.errors import InputError, did_you_mean

__all__ = ["Plugin", "Plugins", "applied", "chained"]

_QUIET = tuple(f"sloth.dev/core/{name}/v1" for name in ("debug", "noop", "validate"))
_RULES = tuple(f"sloth.dev/core/{name}/v1" for name in ("sli_rules", "metadata_rules", "alert_rules"))
_INFO_LABELS, _REMOVE_LABELS, _INTERVALS = (
    f"sloth.dev/contrib/{name}/v1" for name in ("info_labels", "remove_labels", "rule_intervals")
)
_KNOWN = (*_QUIET, *_RULES, _INFO_LABELS, _REMOVE_LABELS, _INTERVALS)
# The groups of an objective by the start of their names, and what `rule_intervals` calls them.
_GROUPS = {
    "sloth-slo-sli-recordings-": "sliError",
    "sloth-slo-meta-recordings-": "metadata",
    "sloth-slo-alerts-": "alert",
}

Groups = list[dict[str, Any]]
_Duration = Annotated[str, Field(pattern=r"^([0-9]{1,6}(ms|[smhdwy]))+$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Plugin(_Frozen):
    """One of a chain. Rules are made at priority 0, so that what runs below it finds none to change."""

    id: str
    priority: int = 0
    config: Any = None


class Plugins(_Frozen):
    """A chain, in order of priority; ``overrides``: those of the level above, and Sloth's own, are left out."""

    chain: tuple[Plugin, ...] = ()
    overrides: bool = Field(
        default=False, validation_alias=AliasChoices("override_previous", "overridePrevious")
    )


class _InfoLabels(_Frozen):
    labels: dict[str, str] = Field(min_length=1)
    metricName: str = names.SLO_INFO  # noqa: N815 - Sloth's own


class _RemoveLabels(_Frozen):
    preserveLabels: tuple[str, ...] = ()  # noqa: N815
    skipMetrics: tuple[str, ...] = ()  # noqa: N815


class _Interval(_Frozen):
    default: _Duration
    sliError: _Duration | None = None  # noqa: N815
    metadata: _Duration | None = None
    alert: _Duration | None = None


class _RuleIntervals(_Frozen):
    interval: _Interval


_CONFIGS: Mapping[str, type[_Frozen]] = {
    _INFO_LABELS: _InfoLabels,
    _REMOVE_LABELS: _RemoveLabels,
    _INTERVALS: _RuleIntervals,
}


def chained(levels: list[tuple[Plugins, Loc]], document: Document) -> tuple[Plugin, ...]:
    """The plugins of an objective in the order they run, those of its file first.

    Raises :class:`~metrics.errors.InputError` with ``file:line`` for one that is not known, one whose configuration
    cannot be read, and a chain that replaces Sloth's own.
    """
    chain: list[Plugin] = []
    for plugins, loc in levels:
        if plugins.overrides:
            raise InputError(
                "a chain that replaces Sloth's own plugins",
                where=document.where(*loc),
                mend="leave `overridePrevious` out: the rules are made as Sloth makes them",
            )
        for i, plugin in enumerate(plugins.chain):
            at = (*loc, "chain", i)
            if plugin.id not in _KNOWN:
                raise InputError(
                    f"plugin {plugin.id[:80]!r} is Go code, which is not run here",
                    where=document.where(*at),
                    mend=f"write its rules out; {did_you_mean(plugin.id, _KNOWN)}",
                )
            if config := _CONFIGS.get(plugin.id):
                given = (*at, "config") if plugin.config is not None else at
                replace(document.below(*given), value=plugin.config or {}).parse(config)
            chain.append(plugin)
    return tuple(sorted(chain, key=lambda plugin: plugin.priority))


def applied(groups: Groups, plugins: tuple[Plugin, ...]) -> Groups:
    """The groups of one objective as the chain leaves them."""
    for plugin in plugins:
        if plugin.priority < 0:
            continue
        if plugin.id == _INFO_LABELS:
            _label(groups, _InfoLabels.model_validate(plugin.config))
        elif plugin.id == _REMOVE_LABELS:
            _strip(groups, _RemoveLabels.model_validate(plugin.config or {}))
        elif plugin.id == _INTERVALS:
            groups = _paced(groups, _RuleIntervals.model_validate(plugin.config).interval)
    return groups


def _label(groups: Groups, config: _InfoLabels) -> None:
    for rule in _rules(groups, "metadata"):
        if rule["record"] == config.metricName:
            rule["labels"] = {**rule["labels"], **config.labels}
            return


def _strip(groups: Groups, config: _RemoveLabels) -> None:
    kept = {names.LABEL_ID, names.LABEL_SERVICE, names.LABEL_SLO, *config.preserveLabels}
    skipped = {names.SLO_INFO, *config.skipMetrics}
    for called, more in (("sliError", {names.LABEL_WINDOW}), ("metadata", set())):
        for rule in _rules(groups, called):
            if rule["record"] not in skipped:
                rule["labels"] = {k: v for k, v in rule["labels"].items() if k in kept | more}


def _paced(groups: Groups, interval: _Interval) -> Groups:
    own = {called: getattr(interval, called) or interval.default for called in _GROUPS.values()}
    return [
        {"name": group["name"], "interval": own[_called(group)], "rules": group["rules"]} for group in groups
    ]


def _rules(groups: Groups, called: str) -> list[dict[str, Any]]:
    return [rule for group in groups if _called(group) == called for rule in group["rules"]]


def _called(group: Mapping[str, Any]) -> str:
    return next(called for start, called in _GROUPS.items() if group["name"].startswith(start))
