// A button with data-png saves the figure before it as a picture, as it is seen: by Plotly where Plotly drew it, else
// by drawing its markup, styles and font included, on a canvas. data-of names another element than the one before.
(() => {
  if (window.playheadPictures) return;
  window.playheadPictures = true;
  const FIGURES = '[data-testid="stPlotlyChart"], [data-testid="stHtml"] > :is(img, div, table)';
  const LEFT_OUT = '[data-testid="stTooltipIcon"], [data-testid="stElementToolbar"], [data-png]';
  const SCALE = 2, MARGIN = 12;

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-png]");
    if (!button) return;
    const of = button.dataset.of;
    const figure = of ? document.querySelector(of) : before(button);
    if (figure?.matches('[data-testid="stPlotlyChart"]')) await drawn(figure);
    const ofPlotly = figure?.querySelector('.modebar-btn[data-attr="toImage"], .modebar-btn[data-title^="Download"]');
    if (ofPlotly) ofPlotly.click();
    else if (figure) save(figure, `${button.dataset.png}.png`);
  });

  // What nobody has looked at yet is drawn once it is in sight.
  async function drawn(figure) {
    figure.scrollIntoView({ block: "nearest" });
    for (let tries = 0; tries < 50 && !figure.querySelector(".modebar"); tries += 1) {
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  function before(button) {
    for (let node = button; node; node = node.parentElement) {
      for (let other = node.previousElementSibling; other; other = other.previousElementSibling) {
        const found = [...other.querySelectorAll(FIGURES)].filter((one) => !one.querySelector("[data-png]"));
        if (found.length) return found.at(-1);
      }
    }
    return null;
  }

  async function save(figure, name) {
    const { width, height } = figure.getBoundingClientRect();
    const app = getComputedStyle(document.querySelector('[data-testid="stApp"]'));
    // No markup in strings: what lets scripts pass takes one with a tag in it away.
    const whole = made("svg", { width, height });
    const style = whole.appendChild(made("style", {}));
    style.textContent = await fonts();
    whole.appendChild(made("foreignObject", { width: "100%", height: "100%" })).appendChild(styled(figure));
    const image = new Image();
    const svg = encodeURIComponent(new XMLSerializer().serializeToString(whole));
    image.src = `data:image/svg+xml;charset=utf-8,${svg}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = SCALE * (width + 2 * MARGIN);
    canvas.height = SCALE * (height + 2 * MARGIN);
    const pen = canvas.getContext("2d");
    pen.scale(SCALE, SCALE);
    pen.fillStyle = app.backgroundColor;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, MARGIN, MARGIN, width, height);
    const link = document.createElement("a");
    link.href = canvas.toDataURL("image/png");
    link.download = name;
    link.click();
  }

  function made(name, attributes) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    return node;
  }

  // A copy that needs none of the page's style sheets.
  function styled(figure) {
    const copy = figure.cloneNode(true);
    const of = [figure, ...figure.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((node, i) => {
      const style = getComputedStyle(of[i]);
      node.setAttribute("style", [...style].map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    });
    copy.querySelectorAll(LEFT_OUT).forEach((node) => node.remove());
    copy.style.margin = "0";
    return copy;
  }

  async function fonts() {
    const rules = [...document.styleSheets].flatMap((sheet) => {
      try {
        return [...sheet.cssRules].map((rule) => [rule, sheet.href ?? document.baseURI]);
      } catch {
        return []; // another origin's
      }
    });
    const faces = rules.filter(
      ([rule]) => rule instanceof CSSFontFaceRule && /Source Sans/.test(rule.cssText) && !/italic/.test(rule.cssText),
    );
    const texts = await Promise.all(
      faces.map(async ([rule, base]) => {
        const address = /url\("?([^")]+)"?\)/.exec(rule.cssText)?.[1];
        if (!address) return "";
        const blob = await (await fetch(new URL(address, base))).blob();
        const data = await new Promise((done) => {
          const reader = new FileReader();
          reader.onload = () => done(reader.result);
          reader.readAsDataURL(blob);
        });
        return rule.cssText.replace(/url\([^)]+\)/, `url("${data}")`);
      }),
    );
    return texts.join("");
  }
})();
