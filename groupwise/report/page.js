"use strict";
// Draws the charts from the curves in #report-data and keeps them to the controls. Rows are formed as rows.py does.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  const fresh = () => ({ off: new Set(), smooth: 0, from: null, to: null, unit: "steps", figure: "mean@k",
    metric: data.metrics[0], paused: false });
  const state = fresh();
  const views = new Map();
  const MANY_DOTS = 40;
  const MARGIN = 0.04;

  // ------------------------------------------------------------------ rows

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

  function edges(x) {
    if (x.length === 1) {
      const half = state.unit === "steps" ? 0.5 : Math.max(x[0], 1e-3) / 2;
      return [x[0] - half, x[0] + half];
    }
    const middle = x.slice(1).map((at, i) => (at + x[i]) / 2);
    return [2 * x[0] - middle[0], ...middle, 2 * x[x.length - 1] - middle[middle.length - 1]];
  }

  const inRange = (step) => (state.from === null || step >= state.from) && (state.to === null || step <= state.to);

  function metricOf(panel, series) {
    if (panel.explores) return state.metric;
    return typeof series.metrics === "string" ? series.metrics : series.metrics[state.figure];
  }

  function curveOf(arm, metric) {
    const found = metric === undefined ? undefined : arm.curves[metric];
    if (!found) return null;
    const [grid, mean, low, high] = found;
    return { grid: arm.grids[grid], number: grid, mean, low: low || null, high: high || null };
  }

  function endsOf(panel, series, curve, arm) {
    if (curve.low && (series.label === null || !series.ends)) return [curve.low, curve.high];
    const ofMain = typeof series.metrics === "string" || state.figure === "mean@k";
    const ends = series.ends && ofMain ? series.ends.map((name) => curveOf(arm, name)) : [];
    return ends.length && ends.every((end) => end && end.number === curve.number) ? ends.map((end) => end.mean) : null;
  }

  function line(panel, series, arm) {
    const curve = curveOf(arm, metricOf(panel, series));
    const x = curve && curve.grid[state.unit];
    if (!x) return [];
    const y = smoothed(curve.mean), ends = endsOf(panel, series, curve, arm), around = edges(x);
    const [low, high] = ends ? ends.map(smoothed) : [null, null];
    const few = y.filter((value) => value !== null).length <= MANY_DOTS;
    return y.map((value, i) => ({
      x: x[i], x0: around[i], x1: around[i + 1], y: value, raw: curve.mean[i],
      low: low ? notBelow(low[i], panel.floor) : null, high: high ? high[i] : null, label: series.label === null ? arm.label : series.label,
      dot: value !== null && (few || ((y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null)),
      step: curve.grid.steps[i],
    })).filter((row) => inRange(row.step));
  }

  function bars(panel, arm) {
    let curves = panel.series.map((series) => [series, curveOf(arm, metricOf(panel, series))]).filter(([, c]) => c);
    if (!curves.length) return [];
    const { grid, number } = curves[0][1];
    const x = grid[state.unit];
    if (!x) return [];
    curves = curves.filter(([, curve]) => curve.number === number);
    const values = curves.map(([, curve]) => smoothed(curve.mean)), around = edges(x), rows = [];
    for (let i = 0; i < x.length; i++) {
      if (!inRange(grid.steps[i]) || values.some((value) => value[i] === null)) continue;
      let level = 0;
      curves.forEach(([series], n) => {
        const value = values[n][i];
        const [low, high] = panel.shape === "stack" ? [level, level + value] : [0, n ? -value : value];
        level = high;
        rows.push({ x: x[i], x0: around[i], x1: around[i + 1], y: value, low, high, label: series.label });
      });
    }
    return rows;
  }

  function formRows(panel) {
    const arms = (panel.arm === null ? data.arms : [data.arms[panel.arm]]).filter((arm) => !state.off.has(arm));
    if (panel.shape !== "lines") return arms.flatMap((arm) => bars(panel, arm));
    return arms.flatMap((arm) => panel.series.flatMap((series) => line(panel, series, arm)));
  }

  const notBelow = (value, floor) => (value === null || floor === null ? value : Math.max(value, floor));

  function endsOfAll(rows, names, none) {
    let low = none ? none[0] : Infinity, high = none ? none[1] : -Infinity;
    for (const row of rows) {
      for (const name of names) {
        if (row[name] !== null && row[name] !== undefined) {
          low = Math.min(low, row[name]);
          high = Math.max(high, row[name]);
        }
      }
    }
    return [low, high];
  }

  function extent(panel, rows) {
    if (!panel.log) return linearExtent(panel, rows, panel.floor);
    const power = (value) => (value === null ? null : Math.log10(value));
    const powers = rows.map((row) => ({ y: power(row.y), raw: power(row.raw), low: power(row.low), high: power(row.high) }));
    const { lowest, highest } = linearExtent(panel, powers, power(panel.floor));
    return { lowest: 10 ** lowest, highest: 10 ** highest };
  }

  function linearExtent(panel, rows, floor) {
    let [low, high] = endsOfAll(rows, ["y", "raw"]);
    if (low > high) [low, high] = [0, 1];
    const [lowEnd, highEnd] = endsOfAll(rows, ["low", "high"], [low, high]);
    const slack = panel.reach === null ? Infinity : panel.reach * Math.max(high - low, panel.span, 0.1 * Math.abs(high));
    [low, high] = [Math.max(lowEnd, low - slack), Math.min(highEnd, high + slack)];
    if (floor !== null) {
      const wanted = Math.max(panel.span, high - floor) || 1;
      high = floor + (1 + MARGIN) * wanted;
      return { lowest: floor, highest: panel.share ? Math.min(high, 1) : high };
    }
    const wanted = Math.max(panel.span, high - low, 1e-9 + 0.01 * Math.abs(high)), middle = (low + high) / 2;
    [low, high] = [middle - (0.5 + MARGIN) * wanted, middle + (0.5 + MARGIN) * wanted];
    if (panel.share) {
      if (low < 0) [low, high] = [0, high - low];
      if (high > 1) [low, high] = [Math.max(0, low - (high - 1)), 1];
    }
    return { lowest: low, highest: high };
  }

  // ------------------------------------------------------------------ charts

  function painted(value, tokens) {
    if (Array.isArray(value)) return value.map((inner) => painted(inner, tokens));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner, tokens)]));
    }
    return typeof value === "string" && Object.hasOwn(tokens, value) ? tokens[value] : value;
  }

  const themeNow = () => data.themes[root.dataset.theme === "dark" ? "dark" : "light"];

  function whyEmpty(panel) {
    const arms = panel.arm === null ? data.arms : [data.arms[panel.arm]];
    const logged = arms.filter((arm) => panel.series.some((series) => curveOf(arm, metricOf(panel, series))));
    if (!logged.length) return "Not logged.";
    if (logged.every((arm) => state.off.has(arm))) return "Every arm that logged this is switched off.";
    if (state.unit === "hours" && logged.every((arm) => arm.grids.every((grid) => !grid.hours))) {
      return "Steps were not timed.";
    }
    return "Nothing in this range of steps.";
  }

  function forget(panel) {
    const view = views.get(panel);
    if (view) view.finalize();
    views.delete(panel);
  }

  async function embed(panel, place, rows) {
    const { tokens, config } = themeNow();
    const title = state.unit === "steps" ? "training step" : "hours of training";
    const spec = painted(data.specs[panel.spec], { ...tokens, "theme:x": title });
    const values = { ...extent(panel, rows), least_tick: state.unit === "steps" ? 1 : 1e-6 };
    for (const parameter of spec.params) parameter.value = values[parameter.name];
    // The page's policy forbids eval, so that Vega's expressions are interpreted.
    const { view } = await vegaEmbed(place, { ...spec, datasets: { rows } }, {
      actions: false, ast: true, renderer: "canvas", config, defaultStyle: false,
      tooltip: { theme: root.dataset.theme === "dark" ? "dark" : "light" },
    });
    views.set(panel, view);
  }

  async function draw(panel, anew) {
    const card = find(`panel-${panel.key}`), place = card.querySelector(".chart"), rows = formRows(panel);
    const empty = !rows.some((row) => row.y !== null);
    card.querySelector(".png").disabled = empty;
    card.querySelector(".empty").textContent = empty ? whyEmpty(panel) : "";
    place.hidden = empty;
    if (card.hidden || empty) { forget(panel); place.replaceChildren(); return; }
    const view = views.get(panel);
    if (anew || !view) { forget(panel); await embed(panel, place, rows); return; }
    if (panel.shape === "lines") {
      for (const [name, value] of Object.entries(extent(panel, rows))) view.signal(name, value);
    }
    await view.data("rows", rows).runAsync();
  }

  // What is in sight is drawn first, the rest piece by piece, so that controls answer; data-drawn says how far that is.
  const stale = new Map();
  let running = false;

  function nextPanel() {
    const near = (panel) => {
      const { top, bottom } = find(`panel-${panel.key}`).getBoundingClientRect();
      return bottom > -200 && top < innerHeight + 200;
    };
    const waiting = [...stale.keys()];
    const seen = waiting.find(near);
    return { panel: seen || waiting[0], inSight: Boolean(seen) };
  }

  const pause = () => new Promise((go) => setTimeout(go, 10));

  async function drawAll(anew) {
    for (const panel of data.panels) {
      const card = find(`panel-${panel.key}`);
      stale.set(panel, anew || stale.get(panel) || false);
      delete card.dataset.drawn;
      card.hidden = panel.arm !== null && state.off.has(data.arms[panel.arm]);
    }
    delete root.dataset.drawn;
    if (running) return;
    running = true;
    try {
      while (stale.size) {
        let next = nextPanel();
        if (!next.inSight) {
          root.dataset.drawn = "sight";
          await pause();
          next = nextPanel();
        }
        const { panel } = next, isNew = stale.get(panel);
        stale.delete(panel);
        await draw(panel, isNew);
        if (!stale.has(panel)) find(`panel-${panel.key}`).dataset.drawn = "yes";
      }
    } finally { running = false; }
    root.dataset.drawn = "all";
  }

  async function savePicture(panel) {
    const link = document.createElement("a");
    link.href = await views.get(panel).toImageURL("png", 2);
    link.download = `${panel.file}.png`;
    link.click();
  }

  // ------------------------------------------------------------------ controls

  function remember() {
    const words = new URLSearchParams();
    const off = data.arms.flatMap((arm, i) => (state.off.has(arm) ? [i] : []));
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
    for (const place of (words.get("off") || "").split(".")) if (data.arms[place]) state.off.add(data.arms[place]);
    state.smooth = Math.min(Math.max(number("smooth") ?? 0, 0), 0.98);
    state.from = number("from");
    state.to = number("to");
    if (words.get("x") === "hours") state.unit = "hours";
    if (data.figures.includes(words.get("figure"))) state.figure = words.get("figure");
    if (data.metrics.includes(words.get("metric"))) state.metric = words.get("metric");
    state.paused = words.has("paused");
  }

  function show() {
    data.arms.forEach((arm, i) => { find(`arm-${i}`).checked = !state.off.has(arm); });
    find("smooth").value = state.smooth;
    find("smooth-value").textContent = state.smooth ? state.smooth.toFixed(2) : "off";
    find("from").value = state.from ?? "";
    find("to").value = state.to ?? "";
    find("unit").value = state.unit;
    if (find("figure")) find("figure").value = state.figure;
    find("metric").value = state.metric;
    if (find("paused")) find("paused").checked = state.paused;
    for (const heading of document.querySelectorAll("[data-figure]")) heading.textContent = state.figure;
  }

  function on(id, event, change, anew = false) {
    const element = find(id);
    if (element) element.addEventListener(event, () => { change(element); remember(); show(); drawAll(anew); });
  }

  function paintSwatches() {
    data.arms.forEach((arm, i) => {
      find(`arm-${i}`).closest("label").style.setProperty("--arm", themeNow().tokens[arm.colour]);
    });
  }

  const whole = (element) => (element.value === "" ? null : Number(element.value));
  data.arms.forEach((arm, i) => on(`arm-${i}`, "change", (box) => state.off[box.checked ? "delete" : "add"](arm)));
  on("smooth", "input", (slider) => { state.smooth = Number(slider.value); });
  on("from", "change", (field) => { state.from = whole(field); });
  on("to", "change", (field) => { state.to = whole(field); });
  on("unit", "change", (choice) => { state.unit = choice.value; }, true);
  on("figure", "change", (choice) => { state.figure = choice.value; });
  on("metric", "change", (choice) => { state.metric = choice.value; });
  on("paused", "change", (box) => { state.paused = box.checked; });
  on("reset", "click", () => { Object.assign(state, fresh()); }, true);
  for (const panel of data.panels) {
    find(`panel-${panel.key}`).querySelector(".png").addEventListener("click", () => savePicture(panel));
  }
  document.addEventListener("themechange", () => { paintSwatches(); drawAll(true); });

  // ------------------------------------------------------------------ start, and following a run

  function keepPlace() {
    const name = `dipo-report-scroll:${location.pathname}`;
    try {
      const kept = sessionStorage.getItem(name);
      sessionStorage.removeItem(name);
      if (kept !== null) scrollTo(0, Number(kept));
      return () => sessionStorage.setItem(name, String(scrollY));
    } catch (_) { return () => {}; /* no storage: the page opens at its top */ }
  }

  // For whoever wants the numbers behind a chart, in the browser's console.
  window.dipoRows = (key) => formRows(data.panels.find((panel) => panel.key === key));

  recall();
  show();
  paintSwatches();
  const keep = keepPlace();
  drawAll(true);
  if (data.reload) setInterval(() => { if (!state.paused) { keep(); location.reload(); } }, data.reload * 1000);
})();
