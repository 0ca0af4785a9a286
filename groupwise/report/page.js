"use strict";
// Draws the charts from the curves in #report-data and keeps them to the controls.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  const fresh = () => ({ off: new Set(), smooth: 0, from: null, to: null, unit: "steps", figure: "mean@k",
    metric: data.metrics[0], paused: false });
  const state = fresh();
  const views = new Map();

  // ------------------------------------------------------------------ curves; what is drawn of them says charts.py

  function smoothed(values) {
    if (!state.smooth) return values;
    let level = 0, weight = 0;
    return values.map((value) => {
      if (value === null) return null;
      level = state.smooth * level + (1 - state.smooth) * value;
      weight = state.smooth * weight + (1 - state.smooth);
      return level / weight;
    });
  }

  const inRange = (step) => (state.from === null || step >= state.from) && (state.to === null || step <= state.to);

  function curveOf(chart, trace) {
    const variant = data.variants[trace.variant];
    const [metric, ends] = chart.explores ? [state.metric, null] : trace.figures[""] || trace.figures[state.figure] || [];
    const found = metric === undefined ? undefined : variant.curves[metric];
    if (!found) return null;
    const [grid, mean, low, high] = found;
    const band = ends ? ends.map((name) => variant.curves[name][1]) : low ? [low, high] : null;
    return { grid: variant.grids[grid], mean, band };
  }

  function fill(chart, trace) {
    const curve = curveOf(chart, trace), x = curve && curve.grid[state.unit];
    if (!x || state.off.has(data.variants[trace.variant])) return [];
    const kept = (values) => values.filter((_, i) => inRange(curve.grid.steps[i]));
    const [low, high] = curve.band ? curve.band.map((end) => kept(smoothed(end))) : [[], []];
    return [{
      label: trace.label, x: kept(x), y: kept(smoothed(curve.mean)), raw: kept(curve.mean), low, high,
      place: trace.place, parts: chart.traces.length,
      half: state.unit === "steps" ? 0.5 : Math.max(x[0], 1e-3) / 2,
    }];
  }

  const fillAll = (chart) => chart.traces.flatMap((trace) => fill(chart, trace));

  // ------------------------------------------------------------------ charts

  const isDark = () => root.dataset.theme === "dark";
  const colourOf = (token) => token.slice("theme:".length).split("/")[isDark() ? 1 : 0];

  function painted(value) {
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
    }
    if (value === "theme:x") return data.titles[state.unit];
    return /^theme:#[0-9a-f]{6}\/#[0-9a-f]{6}$/i.test(value) ? colourOf(value) : value;
  }

  function whyEmpty(chart) {
    const logged = new Set(chart.traces.filter((trace) => curveOf(chart, trace)).map((trace) => data.variants[trace.variant]));
    const every = (holds) => [...logged].every(holds);
    if (!logged.size) return "Not logged.";
    if (every((variant) => state.off.has(variant))) return "Every variant that logged this is switched off.";
    if (state.unit === "hours" && every((variant) => variant.grids.every((grid) => !grid.hours))) return "Steps were not timed.";
    return "Nothing in this range of steps.";
  }

  function forget(chart) {
    const view = views.get(chart);
    if (view) view.finalize();
    views.delete(chart);
  }

  async function embed(chart, place, traces) {
    const spec = painted(data.specs[chart.spec]);
    for (const parameter of spec.params) parameter.value = state.unit === "steps" ? 1 : 1e-6;
    // The page's policy forbids eval, so that Vega's expressions are interpreted.
    const { view } = await vegaEmbed(place, { ...spec, datasets: { traces } }, {
      actions: false, ast: true, renderer: "canvas", config: data.configs[isDark() ? "dark" : "light"], defaultStyle: false,
      tooltip: { theme: isDark() ? "dark" : "light" },
    });
    views.set(chart, view);
  }

  async function draw(chart, anew) {
    const card = find(`panel-${chart.key}`), place = card.querySelector(".chart"), traces = fillAll(chart);
    const isFull = (values) => (chart.isLines ? values.some(Boolean) : values.every(Boolean));
    const has = (i) => isFull(traces.map((trace) => (trace.y[i] ?? null) !== null));
    const empty = !traces.some((trace) => trace.y.some((_, i) => has(i)));
    card.querySelector(".png").disabled = empty;
    card.querySelector(".empty").textContent = empty ? whyEmpty(chart) : "";
    place.hidden = empty;
    if (card.hidden || empty) { forget(chart); place.replaceChildren(); return; }
    if (anew || !views.has(chart)) { forget(chart); await embed(chart, place, traces); return; }
    await views.get(chart).data("traces", traces).runAsync();
  }

  // What is in sight is drawn first, the rest piece by piece, so that controls answer; data-drawn says how far that is.
  const stale = new Map();
  let running = false;

  function nextChart() {
    const near = (chart) => {
      const { top, bottom } = find(`panel-${chart.key}`).getBoundingClientRect();
      return bottom > -200 && top < innerHeight + 200;
    };
    const waiting = [...stale.keys()];
    const seen = waiting.find(near);
    return { chart: seen || waiting[0], inSight: Boolean(seen) };
  }

  const pause = () => new Promise((go) => setTimeout(go, 10));

  async function drawAll(anew) {
    for (const chart of data.charts) {
      const card = find(`panel-${chart.key}`);
      stale.set(chart, anew || stale.get(chart) || false);
      delete card.dataset.drawn;
      card.hidden = chart.variant !== null && state.off.has(data.variants[chart.variant]);
    }
    delete root.dataset.drawn;
    if (running) return;
    running = true;
    try {
      while (stale.size) {
        let next = nextChart();
        if (!next.inSight) {
          root.dataset.drawn = "sight";
          await pause();
          next = nextChart();
        }
        const { chart } = next, isNew = stale.get(chart);
        stale.delete(chart);
        await draw(chart, isNew);
        if (!stale.has(chart)) find(`panel-${chart.key}`).dataset.drawn = "yes";
      }
    } finally { running = false; }
    root.dataset.drawn = "all";
  }

  async function savePicture(chart) {
    const link = document.createElement("a");
    link.href = await views.get(chart).toImageURL("png", 2);
    link.download = `${chart.file}.png`;
    link.click();
  }

  // ------------------------------------------------------------------ controls

  function remember() {
    const words = new URLSearchParams();
    const off = data.variants.flatMap((variant, i) => (state.off.has(variant) ? [i] : []));
    if (off.length) words.set("off", off.join("."));
    if (state.smooth) words.set("smooth", state.smooth);
    for (const name of ["from", "to"]) if (state[name] !== null) words.set(name, state[name]);
    if (state.unit !== "steps") words.set("x", state.unit);
    if (state.figure !== "mean@k") words.set("figure", state.figure);
    if (state.metric !== data.metrics[0]) words.set("metric", state.metric);
    if (state.paused) words.set("paused", "1");
    history.replaceState(null, "", words.size ? `#${words}` : location.pathname + location.search);
  }

  function recall() {
    const words = new URLSearchParams(location.hash.slice(1));
    const number = (name) => (words.has(name) && Number.isFinite(Number(words.get(name))) ? Number(words.get(name)) : null);
    for (const place of (words.get("off") || "").split(".")) if (data.variants[place]) state.off.add(data.variants[place]);
    state.smooth = Math.min(Math.max(number("smooth") ?? 0, 0), 0.98);
    state.from = number("from");
    state.to = number("to");
    if (words.get("x") === "hours") state.unit = "hours";
    if (data.figures.includes(words.get("figure"))) state.figure = words.get("figure");
    if (data.metrics.includes(words.get("metric"))) state.metric = words.get("metric");
    state.paused = words.has("paused");
  }

  function show() {
    data.variants.forEach((variant, i) => { find(`variant-${i}`).checked = !state.off.has(variant); });
    find("smooth").value = state.smooth;
    find("smooth-value").textContent = state.smooth ? state.smooth.toFixed(2) : "off";
    find("from").value = state.from ?? "";
    find("to").value = state.to ?? "";
    find("unit").value = state.unit;
    if (find("figure")) find("figure").value = state.figure;
    find("metric").value = state.metric;
    const [meaning, healthy] = data.meanings[state.metric] || ["", ""];
    find("meaning").textContent = healthy ? `${meaning}; in a run that goes well: ${healthy}` : meaning;
    if (find("paused")) find("paused").checked = state.paused;
    for (const heading of document.querySelectorAll("[data-figure]")) heading.textContent = state.figure;
  }

  function on(id, event, change, anew = false) {
    const element = find(id);
    if (element) element.addEventListener(event, () => { change(element); remember(); show(); drawAll(anew); });
  }

  function paintSwatches() {
    data.variants.forEach((variant, i) => {
      find(`variant-${i}`).closest("label").style.setProperty("--variant", colourOf(variant.colour));
    });
  }

  const whole = (element) => (element.value === "" ? null : Number(element.value));
  data.variants.forEach((variant, i) => on(`variant-${i}`, "change", (box) => state.off[box.checked ? "delete" : "add"](variant)));
  on("smooth", "input", (slider) => { state.smooth = Number(slider.value); });
  on("from", "change", (field) => { state.from = whole(field); });
  on("to", "change", (field) => { state.to = whole(field); });
  on("unit", "change", (choice) => { state.unit = choice.value; }, true);
  on("figure", "change", (choice) => { state.figure = choice.value; });
  on("metric", "change", (choice) => { state.metric = choice.value; });
  on("paused", "change", (box) => { state.paused = box.checked; });
  on("reset", "click", () => { Object.assign(state, fresh()); }, true);
  for (const chart of data.charts) {
    find(`panel-${chart.key}`).querySelector(".png").addEventListener("click", () => savePicture(chart));
  }
  document.addEventListener("themechange", () => { paintSwatches(); drawAll(true); });

  // ------------------------------------------------------------------ start, and following a run

  function keepPlace() {
    const name = `report-scroll:${location.pathname}`;
    try {
      const kept = sessionStorage.getItem(name);
      sessionStorage.removeItem(name);
      if (kept !== null) scrollTo(0, Number(kept));
      return () => sessionStorage.setItem(name, String(scrollY));
    } catch (_) { return () => {}; /* no storage: the page opens at its top */ }
  }

  // For whoever wants the numbers behind a chart, in the browser's console.
  window.reportTraces = (key) => fillAll(data.charts.find((chart) => chart.key === key));

  recall();
  show();
  paintSwatches();
  const keep = keepPlace();
  drawAll(true);
  if (data.reload) setInterval(() => { if (!state.paused) { keep(); location.reload(); } }, data.reload * 1000);
})();
