"""How the page looks: on a phone and on paper, in light and in dark."""

from __future__ import annotations

__all__ = ["DARK", "LIGHT", "STYLE"]

LIGHT = {
    "paper": "#ffffff", "ink": "#1b1f24", "soft": "#59636e", "line": "#d1d9e0", "panel": "#f6f8fa", "good": "#116329",
    "bad": "#a40e26", "c0": "#0b5cad", "c1": "#b34700", "c2": "#12734f", "c3": "#8a2f7c", "c4": "#59636e",
    "c5": "#96231b",
}  # fmt: skip
DARK = {
    "paper": "#11151a", "ink": "#e6edf3", "soft": "#9aa6b2", "line": "#3d444d", "panel": "#1a2027", "good": "#5fd68a",
    "bad": "#ff8f87", "c0": "#6cb6ff", "c1": "#ffa657", "c2": "#5fd6a4", "c3": "#e29bd8", "c4": "#b8bec6",
    "c5": "#ff8f87",
}  # fmt: skip


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = f"""
:root {{ color-scheme: light dark; {_variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 72rem; padding: .75rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }}
h2 {{ font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }}
h3 {{ font-size: 1rem; margin: 1.25rem 0 .25rem; }}
p, ul {{ margin: .5rem 0; max-width: 50rem; }}
ul {{ padding-left: 1.25rem; }}
nav ul, .legend {{ list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1rem; }}
a {{ color: var(--c0); }}
code {{ font-size: .9em; }}
.soft, figcaption, caption {{ color: var(--soft); font-size: .875rem; }}
.verdict {{ background: var(--panel); border-left: .3rem solid var(--c0); padding: .5rem 1rem; margin: .5rem 0; }}
.good {{ color: var(--good); }}
.bad {{ color: var(--bad); }}
.best {{ font-weight: 700; }}
.scroll {{ overflow-x: auto; max-width: 100%; margin: .5rem 0; }}
.scroll:focus-visible {{ outline: 2px solid var(--c0); outline-offset: 2px; }}
table {{ border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; padding-bottom: .25rem; caption-side: top; }}
th, td {{ border: 1px solid var(--line); padding: .3rem .6rem; text-align: right; vertical-align: top;
  overflow-wrap: normal; }}
td {{ white-space: nowrap; }}
.texts td {{ text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 9rem; max-width: 24rem; }}
th {{ background: var(--panel); font-weight: 600; min-width: 4.5rem; overflow-wrap: break-word; }}
tbody th {{ position: sticky; left: 0; min-width: 6.5rem; max-width: 12rem; overflow-wrap: anywhere; }}
thead th {{ vertical-align: bottom; }}
th:first-child {{ text-align: left; }}
td small {{ display: block; }}
td small, td .soft {{ font-size: .93em; }}
figure {{ margin: .75rem 0; min-width: 0; }}
img {{ display: block; max-width: 100%; height: auto; }}
.circuit {{ max-height: 32rem; overflow: auto; border: 1px solid var(--line); background: #fff; }}
.circuit img {{ max-width: none; }}
.panel img {{ min-width: 32rem; }}
.charts {{ display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }}
svg.chart {{ display: block; width: 100%; max-width: 34rem; height: auto; }}
svg.swatch {{ width: 2rem; height: .75rem; vertical-align: middle; margin-right: .35rem; }}
svg text {{ fill: var(--soft); font: 12px system-ui, sans-serif; }}
svg text.label {{ fill: var(--ink); font-size: 13px; }}
.grid {{ stroke: var(--line); stroke-width: 1; }}
.axis {{ stroke: var(--soft); stroke-width: 1.25; }}
.band {{ fill: var(--line); opacity: .6; }}
.line {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}
.interval {{ stroke-width: 3; }}
.mean {{ stroke-width: 3; }}
.dot {{ fill-opacity: .55; stroke-width: 1; }}
{"".join(f".c{n} {{ stroke: var(--c{n}); }} .dot.c{n} {{ fill: var(--c{n}); }} " for n in range(6))}
details {{ margin: .5rem 0; }}
summary {{ cursor: pointer; padding: .35rem 0; color: var(--c0); }}
footer {{ margin-top: 2rem; border-top: 1px solid var(--line); }}
@media print {{
  :root {{ {_variables(LIGHT)} }}
  html {{ font-size: 9pt; }}
  body {{ max-width: none; padding: 0; }}
  nav, summary {{ display: none; }}
  details::details-content {{ content-visibility: visible; height: auto; }}
  .scroll, .circuit {{ overflow: visible; max-height: none; }}
  table {{ font-size: .7rem; }}
  th, td {{ padding: .15rem .25rem; }}
  td {{ white-space: normal; }}
  th {{ overflow-wrap: anywhere; }}
  thead th, tbody th {{ min-width: 0; }}
  tbody th {{ position: static; }}
  .circuit img, .panel img {{ max-width: 100%; min-width: 0; }}
  section h2, figure, tr {{ break-inside: avoid; break-after: auto; }}
}}
"""
