// Figures by Plotly: each is drawn once, when it comes into sight, and again when what it shows has changed. What lies
// below is drawn once the reader has paused, as far as another screenful; all of it before a page is printed.
const PAUSE_MS = 1000;
const FIGURE = '[data-testid="stPlotlyChart"]';
const shown = new WeakMap();
let library;

export default function ({ data, parentElement, setTriggerValue }) {
  let place = parentElement.querySelector(FIGURE);
  if (!place) {
    place = parentElement.appendChild(document.createElement("div"));
    place.className = "stPlotlyChart";
    place.dataset.testid = "stPlotlyChart";
    place.setAttribute("role", "figure");
    place.style.contain = "layout size style"; // what is drawn within moves nothing around it
  }
  place.setAttribute("aria-label", data.alt);
  place.style.height = `${data.height}px`;
  const before = shown.get(place);
  shown.set(place, { ...before, ...data, tell: setTriggerValue });
  if (!before) [inSight, nearby].forEach((watch) => watch(place));
  else if (before.isInSight) draw(place);
  else if (before.isNear) drawLater(place);
  return () => place.isConnected || forget(place);
}

const inSight = watching("0px", (place, isSeen) => {
  shown.get(place).isInSight = isSeen;
  if (isSeen) draw(place);
});
const nearby = watching("0px 0px 100% 0px", (place, isSeen) => {
  shown.get(place).isNear = isSeen;
  if (isSeen) drawLater(place);
});
addEventListener("beforeprint", () => document.querySelectorAll(FIGURE).forEach(draw));

function watching(margin, tell) {
  const seen = (entries) => entries.forEach((entry) => shown.has(entry.target) && tell(entry.target, entry.isIntersecting));
  const observers = new Map(); // by what scrolls
  return (place) => {
    const root = place.closest('[data-testid="stMain"]');
    if (!observers.has(root)) observers.set(root, new IntersectionObserver(seen, { root, rootMargin: margin }));
    observers.get(root).observe(place);
  };
}

function drawLater(place) {
  setTimeout(() => requestIdleCallback(() => shown.get(place)?.isNear && draw(place)), PAUSE_MS);
}

async function draw(place) {
  if (shown.get(place)?.drawn === shown.get(place)?.figure) return;
  const Plotly = await loaded(shown.get(place).library);
  const figure = shown.get(place);
  if (!figure || !place.isConnected || figure.drawn === figure.figure) return;
  const isFirst = !figure.drawn;
  figure.drawn = figure.figure;
  const { data, layout } = JSON.parse(figure.figure);
  const clickmode = figure.selects === "points" ? "event" : "none";
  const room = roomy(data, layout, place.clientWidth);
  Plotly.react(place, data, { ...room, autosize: true, clickmode }, {
    responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtons: [["toImage"]],
    toImageButtonOptions: { format: "png", scale: 2, filename: figure.name },
  });
  if (room.yaxis !== layout.yaxis && isCut(place)) Plotly.relayout(place, { "yaxis.automargin": true });
  if (!isFirst) return;
  place.on("plotly_click", ({ points }) => {
    if (shown.get(place)?.selects !== "points") return;
    tell(place, { points: points.map(({ customdata }) => ({ customdata })), box: [] });
  });
  place.on("plotly_selected", (event) => {
    const boxes = (event?.selections ?? []).filter(({ type }) => type === "rect");
    if (shown.get(place)?.selects !== "box" || !boxes.length) return;
    tell(place, { points: [], box: boxes.map(({ x0, x1, y0, y1 }) => ({ x: [x0, x1], y: [y0, y1] })) });
    setTimeout(() => place.isConnected && Plotly.relayout(place, { selections: [] }));
  });
}

// A layout with room for what stands beside its axes. Plotly finds that out by drawing a figure twice; what it would
// find is worked out here, where names or numbers at the ticks can be told beforehand.
function roomy(data, layout, width) {
  const { margin, font, xaxis, yaxis, shapes } = layout;
  const room = { ...layout, margin: { ...margin } };
  const titled = ({ title }) => (title?.text ? 17 : 0);
  const isTold = (axis) => axis?.automargin && axis.visible !== false && axis.showticklabels !== false;
  if (isTold(xaxis) && xaxis.side !== "top") {
    room.margin.b = Math.max(margin.b, 26 + titled(xaxis));
    // What Plotly chooses itself fits; names may have to stand at an angle.
    const isPlain = !xaxis.ticktext && !data.some(({ x }) => typeof x?.[0] === "string" && !isDate(x[0]));
    if (isPlain && width > 400) room.xaxis = { ...xaxis, automargin: false };
  }
  if (isTold(yaxis)) {
    const words = marks(data, yaxis, shapes ?? []);
    pen.font = `${yaxis.tickfont.size}px ${font.family}`;
    const widest = Math.max(0, ...words.map((word) => pen.measureText(word).width));
    const ticks = yaxis.ticks || data.some(({ type }) => type === "heatmap") ? 5 : 0;
    const beside = 12 + titled(yaxis) + ticks + (yaxis.ticklabelstandoff ?? 0);
    if (widest) {
      room.margin.l = Math.max(margin.l, Math.ceil(widest) + beside);
      room.yaxis = { ...yaxis, automargin: false };
    }
  }
  return room;
}

const isDate = (x) => /^\d{4}-\d\d-\d\d/.test(x);

// Names that have turned out longer than that are cut off: then Plotly makes room after all.
function isCut(place) {
  const { left } = place.getBoundingClientRect();
  return [...place.querySelectorAll(".ytick text")].some((text) => {
    const told = text.getBoundingClientRect();
    return told.width && told.left < left;
  });
}

const pen = document.createElement("canvas").getContext("2d");

// What is written at the ticks of an upright axis: names, or numbers at steps of 1, 2 or 5 as Plotly chooses them.
function marks(data, axis, shapes) {
  if (axis.ticktext) return axis.ticktext;
  const values = (axis.tickvals ?? data.flatMap(({ y }) => (Array.isArray(y) ? y : []))).filter((value) => value !== null);
  if (values.some((value) => typeof value !== "number")) return values.map(String);
  if (axis.type === "log" && !axis.tickvals) return [];
  if (axis.tickvals) return values.map((value) => number(value, axis));
  const drawn = [...values, ...shapes.filter(({ yref }) => yref === "y").flatMap(({ y0, y1 }) => [y0, y1])];
  const [low, high] = axis.range ?? [Math.min(0, ...drawn), Math.max(...stacked(data), ...drawn) / 0.95];
  const rough = Math.abs(high - low) / (axis.nticks || 5);
  if (!(rough > 0 && rough < Infinity)) return [];
  const base = 10 ** Math.floor(Math.log10(rough));
  const step = base * [2, 5, 10].find((round) => round >= rough / base);
  const first = Math.ceil(Math.min(low, high) / step);
  const count = Math.floor(Math.max(low, high) / step) - first;
  return Array.from({ length: count + 1 }, (_, i) => number((first + i) * step, axis));
}

function stacked(data) {
  const sums = [];
  const parts = data.filter(({ stackgroup }) => stackgroup);
  parts.forEach(({ y }) => y.forEach((value, i) => (sums[i] = (sums[i] ?? 0) + value)));
  return sums;
}

// A number as d3 writes it by the few formats that our axes have.
function number(value, { tickformat = "", tickprefix = "", ticksuffix = "" }) {
  const [, comma, digits, trim, kind] = /^(,)?(?:\.(\d+))?(~)?([f%])?$/.exec(tickformat) ?? [];
  const most = Number(digits ?? 6);
  const least = digits === undefined || trim ? 0 : most;
  const written = Math.abs(kind === "%" ? 100 * value : value).toLocaleString("en", {
    useGrouping: !!comma, minimumFractionDigits: least, maximumFractionDigits: most,
  });
  return `${value < 0 ? "−" : ""}${tickprefix}${written}${kind === "%" ? "%" : ""}${ticksuffix}`;
}

const tell = (place, selection) => shown.get(place).tell("selection", selection);

// Plotly's script, once a visit; it may be on its way already.
function loaded(address) {
  library ??= new Promise((done, failed) => {
    if (window.Plotly) return done();
    const known = document.querySelector(`script[src$="${address}"]`);
    const script = known ?? document.createElement("script");
    script.addEventListener("load", done);
    script.addEventListener("error", failed);
    if (known) return;
    const main = document.querySelector('script[type="module"][src*="/static/js/"]');
    script.src = new URL(`../../${address}`, main.src);
    document.head.append(script);
  });
  return library.then(() => window.Plotly);
}

function forget(place) {
  shown.delete(place);
  window.Plotly?.purge(place);
}
