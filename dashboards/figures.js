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
  Plotly.react(place, data, { ...layout, autosize: true, clickmode }, {
    responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtons: [["toImage"]],
    toImageButtonOptions: { format: "png", scale: 2, filename: figure.name },
  });
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
