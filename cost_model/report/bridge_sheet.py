"""The bridge as a sheet: a row a cell of it, its drivers and costs as values, its four effects as formulas."""

from __future__ import annotations

from cost_model.bridge import EFFECTS, Bridge
from cost_model.report.sheets import CENT, COUNT, RATIO, Book, Sheet

__all__ = ["bridge_sheet"]


def bridge_sheet(book: Book, name: str, found: Bridge, effective: str) -> None:
    """Write a bridge; ``effective`` is the cell of the bill's effective cost, which it must end at."""
    sheet = Sheet(book, name, (15, 20, 14, 12, 12, 10, *[15] * 14))
    is_hours = found.driver == "stream hours"
    scale, unit = (3_600_000, "hours") if is_hours else (10**9, "GB")
    sheet.line(
        f"From {found.before.quarter} ({found.before.origin}) to {found.now.quarter}, from the cells up",
        style="title",
    )
    before, now = (total / scale for total in found.totals)
    h0 = sheet.line(f"Volume before, {unit}", before, formats=("", COUNT))
    h1 = sheet.line(f"Volume now, {unit}", now, formats=("", COUNT))
    ratio = float(found.volume_ratio)
    vr = sheet.line("Volume ratio", (f"=IF(B{h0}*B{h1}=0,1,B{h1}/B{h0})", ratio), formats=("", RATIO))
    sheet.skip()
    effects_at = sheet.row
    sheet.skip(8)
    sheet.line(
        "Pool", "Region", "ISP", "Tier", "CDN", "Codec", f"Place before, {unit}", "Place before, GB",
        "Slice before, GB", "Cost before, USD", f"Place now, {unit}", "Place now, GB", "Slice now, GB",
        "Cost now, USD", "Share, now ÷ before", "GB an hour, now ÷ before", "Volume, USD", "Mix, USD",
        "Efficiency, USD", "Price, USD", style="head",
    )  # fmt: skip
    first = sheet.row
    place = {key: number for number, key in enumerate(found.keys)}
    formats = ("",) * 6 + (COUNT,) * 3 + (CENT,) + (COUNT,) * 3 + (CENT, RATIO, RATIO) + (CENT,) * 4
    v = f"$B${vr}"
    for cell in found.cells:
        r = sheet.row
        words = [
            cell.keys[place[key]] or "" if key in place else ""
            for key in ("region", "isp", "tier", "cdn", "codec")
        ]
        then, here = [None] * 3, [None] * 3
        if cell.drivers:
            then, here = ([d[0] / scale, d[1] / 1e9, d[2] / 1e9] for d in cell.drivers)  # type: ignore[assignment]
        levels = [level / 1e16 for level in cell.levels(found.volume_ratio)]
        share = 1.0 if cell.is_new else float(cell.share_ratio)
        leaner = 1.0 if cell.is_new or not cell.now_usd else float(cell.efficiency_ratio)
        moved = f"(K{r}*M{r}/L{r}/$B${h1})/(G{r}*I{r}/H{r}/$B${h0})"
        sheet.line(
            cell.pool, *words, *then, cell.before_usd, *here, cell.now_usd,
            (f'=IF(J{r}=0,1,IF(N{r}=0,0,IF(OR(G{r}="",K{r}=""),1,{moved})))', share),
            (f'=IF(OR(J{r}=0,N{r}=0,G{r}="",K{r}=""),1,(L{r}/K{r})/(H{r}/G{r}))', leaner),
            (f"=J{r}*({v}-1)", levels[1] - levels[0]),
            (f"=IF(J{r}=0,N{r},J{r}*{v}*(O{r}-1))", levels[2] - levels[1]),
            (f"=J{r}*{v}*O{r}*(P{r}-1)", levels[3] - levels[2]),
            (f"=IF(J{r}=0,0,N{r}-J{r}*{v}*O{r}*P{r})", levels[4] - levels[3]),
            formats=formats,
        )  # fmt: skip
    last, after = sheet.row - 1, sheet.row
    sheet.row = effects_at
    levels = [float(level) for level in found.levels_usd]
    sheet.line("Effect", "USD", "Level, USD", style="head")
    at = sheet.line(
        "Before",
        (f"=C{sheet.row}", levels[0]),
        (f"=ROUND(SUM(J{first}:J{last}),2)", levels[0]),
        formats=("", CENT, CENT),
    )
    sums = f"SUM(J{first}:J{last})"
    for number, (letter, effect) in enumerate(zip("QRST", EFFECTS, strict=True), start=1):
        sums += f"+SUM({letter}{first}:{letter}{last})"
        step = (f"=C{sheet.row}-C{sheet.row - 1}", levels[number] - levels[number - 1])
        sheet.line(effect.capitalize(), step, (f"=ROUND({sums},2)", levels[number]), formats=("", CENT, CENT))
    through = (f"=SUM(B{at}:B{sheet.row - 1})", levels[-1])
    level = (f"=ROUND(SUM(N{first}:N{last}),2)", levels[-1])
    sheet.line("Now", through, level, style="sum", formats=("", CENT, CENT))
    now_at = sheet.row - 1
    sheet.row = after
    book.check(f"{name}: effects less the change", f"'{name}'!B{now_at}-'{name}'!C{now_at}")
    book.check(f"{name}: cost now against the bill", f"'{name}'!C{now_at}-ROUND({effective},2)")
