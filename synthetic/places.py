"""Where viewers are and where bytes come from: regions, countries, ISPs, ISP sites, internet exchanges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Floats, Ints
from synthetic.random import Stream, normals, uniforms
from synthetic.scenario import Scenario

__all__ = ["Places", "make_places"]


ISP_ZIPF = 0.9  # exponent of ISP sizes within a region; assumption: uneven, as broadband markets are
SITE_LOG_SD = 0.8  # spread of site sizes within an ISP; assumption


@dataclass(frozen=True)
class Places:
    """Arrays over sites unless said otherwise; indices point into the name tuples.

    ``site_share``: share of the region's members, summing to 1 within a region. ``utc_offset_ms`` of the
    site's country. ``site_is_private``: its ISP has an interconnect of its own with the exchange. Sites and ISPs
    of a region are contiguous and ordered by ISP size, largest first.
    """

    regions: tuple[str, ...]
    countries: tuple[str, ...]
    isps: tuple[str, ...]
    asn: Ints  # over ISPs
    exchanges: tuple[str, ...]
    exchange_region: Ints  # over exchanges
    sites: tuple[str, ...]
    site_region: Ints
    site_country: Ints
    site_isp: Ints
    site_exchange: Ints
    site_is_private: Bools
    site_share: Floats
    utc_offset_ms: Ints

    def attributes(self, site: Ints) -> dict[str, Ints]:
        """Index of the region, country, ISP, exchange and site of each of n sites, shape (n,)."""
        return {
            "region": self.site_region[site],
            "country": self.site_country[site],
            "isp": self.site_isp[site],
            "exchange": self.site_exchange[site],
            "site": site,
        }


def make_places(scenario: Scenario) -> Places:
    """The places of a scenario: a pure function of it and its seed."""
    seed = scenario.seed
    regions = tuple(scenario.region)
    countries: list[str] = []
    isps: list[str] = []
    exchanges: list[str] = []
    exchange_region: list[int] = []
    sites: list[str] = []
    columns: dict[str, list[npt.NDArray[np.generic]]] = {
        name: [] for name in ("region", "country", "isp", "exchange", "private", "share", "offset")
    }
    initials = ["".join(part[:1] for part in name.split("-")) for name in scenario.region]
    shorts = initials if len(set(initials)) == len(initials) else list(scenario.region)
    for r, region in enumerate(scenario.region.values()):
        short = shorts[r]
        first_country, first_isp, first_exchange = len(countries), len(isps), len(exchanges)
        countries += list(region.countries)
        size = np.arange(1, region.isps + 1) ** -ISP_ZIPF
        size /= size.sum()
        country_share = np.array([share for share, _ in region.countries.values()])
        # An ISP serves one country; walking the cumulated sizes gives each country its share of members.
        isp_country = _systematic(
            size, country_share, uniforms(seed, np.arange(region.isps), r, Stream.ISP_COUNTRY)
        )
        isps += [f"{short}-isp-{i + 1}" for i in range(region.isps)]
        exchanges += [f"{short}-ix-{i + 1}" for i in range(region.exchanges)]
        exchange_region += [r] * region.exchanges
        spread = np.maximum(np.floor(np.sqrt(size) / np.sqrt(size).sum() * region.sites), 1).astype(np.int64)
        spread[0] += region.sites - spread.sum()
        isp_of_site = np.repeat(np.arange(region.isps), spread)
        entity = np.arange(region.sites) + len(sites)
        within = np.exp(SITE_LOG_SD * normals(seed, entity, 0, Stream.SITE_SIZE))
        share = size[isp_of_site] * within / np.bincount(isp_of_site, within)[isp_of_site]
        sites += [
            f"{isps[first_isp + i]}-s{k + 1}" for i in range(region.isps) for k in range(int(spread[i]))
        ]
        offsets = np.array([offset for _, offset in region.countries.values()]) * 3_600_000
        country = isp_country[isp_of_site]
        exchange = (uniforms(seed, entity, 0, Stream.SITE_EXCHANGE) * region.exchanges).astype(np.int64)
        columns["region"].append(np.full(region.sites, r))
        columns["country"].append(country + first_country)
        columns["isp"].append(isp_of_site + first_isp)
        columns["exchange"].append(exchange + first_exchange)
        # The largest ISPs peer privately, until they hold the share of members that the scenario says.
        is_private = np.cumsum(size) - size < scenario.delivery.private_peering_ratio
        columns["private"].append(is_private[isp_of_site])
        columns["share"].append(share / share.sum())
        columns["offset"].append(offsets[country].astype(np.int64))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Places(
        regions=regions,
        countries=tuple(countries),
        isps=tuple(isps),
        asn=np.arange(len(isps)) + 64_512,  # the private range: no real network is meant
        exchanges=tuple(exchanges),
        exchange_region=np.array(exchange_region),
        sites=tuple(sites),
        site_region=joined["region"],
        site_country=joined["country"],
        site_isp=joined["isp"],
        site_exchange=joined["exchange"],
        site_is_private=joined["private"],
        site_share=joined["share"],
        utc_offset_ms=joined["offset"],
    )


def _systematic(size: npt.NDArray[np.floating], shares: Floats, noise: Floats) -> Ints:
    """Assign each of the sizes to a share so that sums come near the shares; largest first, noise breaks ties."""
    room = shares * size.sum()
    out = np.empty(size.size, np.int64)
    for i in np.argsort(-size, kind="stable"):
        out[i] = int(np.argmax(room + 1e-9 * noise[i]))
        room[out[i]] -= size[i]
    return out
