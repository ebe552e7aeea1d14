// Rows to look through: a table that scrolls in its place, is sorted by a click on a head and shows all of a row by a
// click on it, or tells that it was picked; its data can be taken away. Markup, so that it is read, searched and told
// as the page around it is.
const STYLE = `
.listing { position: relative; }
.listing > div { overflow: auto; border: 1px solid var(--st-dataframe-border-color); border-radius: 8px;
  content-visibility: auto; }
.listing table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: 0.875rem; white-space: nowrap;
  color: var(--st-text-color); margin: 0; }
.listing th, .listing td { height: 32px; padding: 0 8px; text-align: left; border: 0; overflow: hidden;
  text-overflow: ellipsis; max-width: 22rem; border-bottom: 1px solid var(--st-dataframe-border-color); }
.listing th + th, .listing td + td { border-left: 1px solid var(--st-dataframe-border-color); }
.listing tr:last-child > td { border-bottom: 0; }
.listing th { position: sticky; top: 0; z-index: 1; font-weight: 400; color: var(--st-gray-text-color);
  background: linear-gradient(var(--st-dataframe-header-background-color) 0 0), var(--st-background-color); }
.listing .wide { max-width: 28rem; }
.listing .number { text-align: right; }
.listing th.bar { text-align: left; }
.listing th button { all: unset; cursor: pointer; outline: revert; }
.listing th[aria-sort="ascending"] button::after { content: " ↑"; }
.listing th[aria-sort="descending"] button::after { content: " ↓"; }
.listing tbody tr { cursor: pointer; outline-offset: -2px; }
.listing tbody tr:hover { background: var(--st-dataframe-header-background-color); }
.listing tr.open td { white-space: normal; padding-top: 6px; padding-bottom: 6px; }
.listing .bar div { display: flex; align-items: center; gap: 8px; }
.listing .bar i { flex: 1; min-width: 60px; height: 8px; border-radius: 4px; overflow: hidden;
  background: var(--st-secondary-background-color); }
.listing .bar b { display: block; height: 100%; border-radius: 4px; background: var(--st-red-color); }
.listing svg { display: block; width: 100%; min-width: 96px; height: 22px; }
.listing path { fill: none; stroke: var(--st-primary-color); vector-effect: non-scaling-stroke; }
.listing > button { all: unset; position: absolute; top: 5px; right: 8px; z-index: 2; padding: 0 6px; border-radius: 6px;
  cursor: pointer; outline: revert; opacity: 0; font-size: 0.8125rem; line-height: 24px; color: var(--st-text-color);
  background: var(--st-secondary-background-color); }
.listing:hover > button, .listing > button:focus-visible { opacity: 1; }`;
const known = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let place = parentElement.querySelector(".listing");
  if (!place) {
    if (!document.getElementById("listing-style")) {
      const style = Object.assign(document.createElement("style"), { id: "listing-style", textContent: STYLE });
      document.head.append(style);
    }
    place = document.createElement("div");
    place.className = "listing";
    place.dataset.testid = "listing";
    place.addEventListener("click", clicked);
    place.addEventListener("keydown", pressed);
    parentElement.append(place);
  }
  const before = known.get(place);
  const table = before?.text === data.table ? before.table : JSON.parse(data.table);
  const heads = table.columns.map(({ name }) => name).join("\n");
  const sorted = before?.heads === heads ? before.sorted : undefined;
  known.set(place, { ...data, text: data.table, table, heads, sorted, tell: setTriggerValue });
  if (before?.text !== data.table) draw(place);
}

function draw(place) {
  const { table, alt, height, sorted } = known.get(place);
  const { columns } = table;
  const scrolled = place.firstChild?.scrollTop ?? 0;
  const order = [...(columns[0]?.values ?? []).keys()];
  if (sorted) {
    const { values } = columns.find(({ name }) => name === sorted.name);
    const sign = sorted.isDown ? -1 : 1;
    const compared = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
    order.sort((i, j) => (values[i] === null) - (values[j] === null) || sign * compared(values[i], values[j]));
  }
  const heads = columns.map((column) => {
    const sort = sorted?.name === column.name ? ` aria-sort="${sorted.isDown ? "de" : "a"}scending"` : "";
    return `<th scope="col" class="${column.kind}"${sort}><button data-by="${escaped(column.name)}">${escaped(column.title)}</button></th>`;
  });
  const body = order.map((row, place) => {
    const cells = columns.map((column) => `<td class="${column.kind}">${written(column, row)}</td>`);
    return `<tr data-row="${row}" tabindex="${place ? -1 : 0}">${cells.join("")}</tr>`;
  });
  const room = `max-height:${height}px;contain-intrinsic-size:auto ${Math.min(height, 34 + 33 * order.length)}px`;
  place.innerHTML =
    `<div style="${room}"><table aria-label="${escaped(alt)}"><thead><tr>${heads.join("")}</tr></thead>` +
    `<tbody>${body.join("")}</tbody></table></div><button title="Save these rows as CSV" data-csv>CSV</button>`;
  place.firstChild.scrollTop = scrolled;
}

function written({ kind, values, texts, most }, row) {
  const value = values[row];
  if (value === null) return "–";
  const text = escaped(texts ? texts[row] : value);
  if (kind === "days") return line(value);
  if (kind !== "number bar") return text;
  const room = Math.max(...texts.map((one) => one?.length ?? 0));
  const share = Math.min(100, (100 * value) / most);
  return `<div><i><b style="width:${share}%"></b></i><span style="min-width:${room - 2}ch">${text}</span></div>`;
}

// Days of a row as a line over 100 by 22; a day without a value is a gap.
function line(values) {
  const told = values.filter((value) => value !== null);
  const low = Math.min(...told), scale = 18 / (Math.max(...told) - low || 1);
  let pen = "M";
  const steps = values.map((value, i) => {
    if (value === null) return (pen = "M"), "";
    const step = `${pen}${((100 * i) / Math.max(1, values.length - 1)).toFixed(1)},${(20 - (value - low) * scale).toFixed(1)}`;
    pen = "L";
    return step;
  });
  return `<svg viewBox="0 0 100 22" preserveAspectRatio="none" aria-hidden="true"><path d="${steps.join("")}"/></svg>`;
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function clicked({ target, currentTarget: place }) {
  const by = target.closest("[data-by]")?.dataset.by;
  const row = target.closest("tr[data-row]");
  if (by !== undefined) sort(place, by);
  else if (target.closest("[data-csv]")) save(known.get(place));
  else if (row && !String(getSelection())) choose(place, row);
}

function pressed(event) {
  const row = event.target.closest("tr[data-row]");
  if (!row) return;
  const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
  if (next) {
    row.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  } else if (event.key === "Enter" || event.key === " ") choose(event.currentTarget, row);
  else return;
  event.preventDefault();
}

function choose(place, row) {
  const { picks, tell } = known.get(place);
  if (picks) tell("picked", Number(row.dataset.row));
  else row.classList.toggle("open");
}

function sort(place, name) {
  const of = known.get(place);
  of.sorted = { name, isDown: of.sorted?.name === name && !of.sorted.isDown };
  draw(place);
  [...place.querySelectorAll("[data-by]")].find(({ dataset }) => dataset.by === name).focus();
}

function save({ table: { columns }, name }) {
  const quoted = (value) => {
    const text = value === null ? "" : Array.isArray(value) ? JSON.stringify(value) : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map((column) => quoted(column.name))];
  columns[0]?.values.forEach((_, row) => lines.push(columns.map(({ values }) => quoted(values[row]))));
  const blob = new Blob([lines.map((cells) => `${cells.join(",")}\n`).join("")], { type: "text/csv" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
