"""The frame of every page that is written here: one HTML file that opens from disk and asks no network for anything.

The page follows the system's light or dark setting until its reader presses the button `#theme`. Whichever is shown
stands in `<html data-theme="light|dark">`; each change dispatches `themechange` on `document`, so that scripts can
repaint what no style sheet reaches, such as a canvas. Colours are the CSS variables of `LIGHT` and `DARK`.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

LIGHT: Mapping[str, str] = {
    "page": "#f6f6f4",
    "panel": "#ffffff",
    "sunk": "#efefec",
    "text": "#1f2328",
    "faint": "#5a626d",
    "line": "#d8dadd",
    "accent": "#2a5bb8",
    "tint": "#e8eefa",
    "good": "#1a7344",
    "bad": "#b3302a",
    "warn": "#855400",
}
"""Colours of the light page: page, panels, sunken fields, text, secondary text, lines, links and what is selected,
its background, and what is right, wrong or to be minded."""

DARK: Mapping[str, str] = {
    "page": "#15171b",
    "panel": "#1d2026",
    "sunk": "#262a31",
    "text": "#e3e6ea",
    "faint": "#a0a8b4",
    "line": "#363b44",
    "accent": "#8fb4f5",
    "tint": "#202b42",
    "good": "#6ccb95",
    "bad": "#f48f86",
    "warn": "#dfb264",
}
"""The same names for the dark page."""

_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""Scripts run by their hash alone: one that got into the page with a text does not."""

_STYLE = """
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scrollbar-gutter: stable; }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.55;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif; }
.frame { max-width: 76rem; margin: 0 auto; padding: 1.6rem clamp(0.8rem, 3vw, 2rem) 4rem; }
.head { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; margin-bottom: 1.2rem; }
h1, h2, h3 { line-height: 1.25; text-wrap: balance; overflow-wrap: anywhere; }
h1 { font-size: 1.55rem; font-weight: 650; letter-spacing: -0.01em; margin: 0; }
h2 { font-size: 1.15rem; font-weight: 650; margin: 2.4rem 0 0.7rem; }
h3 { font-size: 1rem; font-weight: 650; margin: 1.4rem 0 0.4rem; }
p { margin: 0.5rem 0; max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
small, .faint { color: var(--faint); }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
pre, code, kbd, .mono { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono",
  monospace; font-size: 0.9em; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem;
  margin: 0.8rem 0; }
.panel > :first-child { margin-top: 0; } .panel > :last-child { margin-bottom: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.93rem; }
th, td { padding: 0.35rem 0.8rem 0.35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--faint); }
th.number, td.number { text-align: right; }
summary { cursor: pointer; }
button, select, input { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; padding: 0.3rem 0.6rem; min-width: 0; }
button { cursor: pointer; }
button:hover, select:hover, input:hover { border-color: var(--faint); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
input::placeholder { color: var(--faint); opacity: 1; }
#theme { font-size: 0.85rem; color: var(--faint); white-space: nowrap; }
[hidden] { display: none !important; }
@media print {
  .frame { max-width: none; padding: 0; }
  #theme, .controls { display: none; }
  .panel { break-inside: avoid; }
}
"""

# Before the body, so that a remembered theme is there with the first paint.
_THEME_HEAD = """
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("page-theme"); } catch (_) { /* no storage: kept while the page is open */ }
  const show = () => {
    const theme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
    if (theme === root.dataset.theme) return;
    root.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("themechange", { detail: { theme } }));
  };
  show();
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => { button.textContent = root.dataset.theme === "dark" ? "Light page" : "Dark page"; };
    label();
    button.hidden = false;
    document.addEventListener("themechange", label);
    button.addEventListener("click", () => {
      chosen = root.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("page-theme", chosen); } catch (_) { /* as above */ }
      show();
    });
  });
})();
"""


def render(title: str, body: str, *, style: str = "", scripts: Sequence[str] = ()) -> str:
    """Writes a whole page: the title as its heading, the button for the theme, then the body.

    The title is plain text; whoever makes the body escapes what it quotes. `style` follows the frame's own CSS, with
    the variables of `LIGHT` (`var(--accent)`, ...). The scripts run in turn when the body stands, under a policy that
    allows neither `eval` nor any request; data goes into the body, as `<script type="application/json">` with
    `script_json`.
    """
    heading = html.escape(title)
    kept = [_in_script(script) for script in scripts]
    tail = "".join(f"<script>{script}</script>\n" for script in kept)
    policy = _POLICY.format(scripts=" ".join(map(_hash_of, [_THEME_HEAD, *kept])))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{heading}</title>
<style>{_colours()}{_STYLE}{_in_style(style)}</style>
<script>{_THEME_HEAD}</script>
</head>
<body>
<div class="frame">
<header class="head"><h1 dir="auto">{heading}</h1>
<button id="theme" type="button" hidden title="Change between the light and the dark page"></button></header>
<main>
{body}
</main>
</div>
{tail}</body>
</html>
"""


def fill(package: str, title: str, *, libraries: Sequence[str] = (), **values: Any) -> str:
    """Writes the page of a package: its template page.html, which escapes the values, in the frame.

    `page.css` and `page.js` beside the template go with it, as far as they exist; before the latter run `libraries`.
    """
    parts = {name: files(package) / f"page.{name}" for name in ("css", "js")}
    style, script = (part.read_text(encoding="utf-8") if part.is_file() else "" for part in parts.values())
    body = template(package, "page.html").render(**values)
    return render(title, body, style=style, scripts=[*libraries, *([script] if script else [])])


@cache
def template(package: str, name: str) -> Template:
    """Reads a template of a package; what it is filled with is escaped, unless it is Markup."""
    loader = PackageLoader(package, "")
    whole = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return whole.get_template(name)


def script_json(value: object) -> Markup:
    """Prints a value as JSON that can stand inside `<script>`, whatever texts it holds: ASCII, `<`, `>`, `&` escaped.

    Raises:
        ValueError: A number is NaN or infinite, which JSON has not; give None instead.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text))


def _in_script(script: str) -> str:
    # Either would end or hide the rest of the element; inside literals, where alone they occur, the escape is the same.
    return re.sub(r"<(?=!--|/script)", r"\\x3C", script, flags=re.IGNORECASE)


def _hash_of(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _in_style(style: str) -> str:
    return re.sub(r"<(?=/style)", r"\\3C ", style, flags=re.IGNORECASE)


def _colours() -> str:
    light, dark = (
        f"color-scheme: {name}; " + " ".join(f"--{key}: {value};" for key, value in colours.items())
        for name, colours in (("light", LIGHT), ("dark", DARK))
    )
    # The media query serves readers without JavaScript; print is always light.
    return (
        f"\n:root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f':root[data-theme="light"] {{ {light} }}\n:root[data-theme="dark"] {{ {dark} }}\n'
        f"@media print {{ :root, :root[data-theme] {{ {light} }} }}"
    )
