"""How the report looks: sober, readable on a phone, printable, light or dark as the reader's system is.

Colours are named once, as variables. Texts have a contrast of at least 4.5 with what is behind them (WCAG AA), which
`tests/browser/test_report.py` measures; figures keep their own white ground.
"""

CSS = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1c1c; --soft: #595959; --panel: #f6f6f4; --line: #d5d5d5; }
:root { --link: #0b3a63; --ring: #1f6391; --good: #1d6b3a; --bad: #9b1c1c; --open: #7a5a00; --none: #e6e6e6; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #e8e6e1; --soft: #a9a9a4; --panel: #22252a; --line: #41464d; --none: #3a3f46; }
  :root { --link: #8fc1ec; --ring: #8fc1ec; --bad-text: #ff9a92; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 Georgia, "Times New Roman", serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.35rem; margin: 0; overflow-wrap: anywhere; }
h2 small { color: var(--soft); font-weight: normal; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 0.4rem; overflow-wrap: anywhere; }
p { margin: 0.6rem 0; overflow-wrap: anywhere; }
section { margin-top: 3rem; padding-top: 1.2rem; border-top: 2px solid var(--ink); }
.question { font-style: italic; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, .box:focus-visible { outline: 3px solid var(--ring); outline-offset: 2px; }
.badge, table, dl, summary, footer { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.badge { display: inline-block; padding: 0.05rem 0.5rem; border-radius: 0.3rem; font-size: 0.85rem; font-weight: 600; }
.badge { white-space: nowrap; }
.badge.holds { background: var(--good); color: #fff; }
.badge.fails { background: var(--bad); color: #fff; }
.badge.open { background: var(--open); color: #fff; }
.badge.none { background: var(--none); color: var(--ink); }
.verdict { padding: 0.6rem 0.8rem; border-left: 4px solid var(--soft); background: var(--panel); }
.verdict.holds { border-color: var(--good); }
.verdict.fails { border-color: var(--bad); }
.verdict.open { border-color: var(--open); }
.trouble { color: var(--bad-text, var(--bad)); }
img { display: block; max-width: 100%; height: auto; margin: 0.6rem 0; background: #fff; }
.box { overflow-x: auto; max-height: 32rem; overflow-y: auto; margin: 0.8rem 0; border: 1px solid var(--line); }
.overview .box { max-height: none; }
.overview td:last-child { min-width: 12rem; font-size: 0.8rem; }
table { border-collapse: collapse; font-size: 0.85rem; min-width: 100%; }
caption { text-align: left; padding: 0.4rem 0.6rem; color: var(--soft); }
th, td { padding: 0.35rem 0.6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td { min-width: 3rem; max-width: 24rem; overflow-wrap: break-word; }
td:not([class]):not(:has(a, .badge)) { min-width: 15rem; }
td.short, td:has(a), td:has(.badge) { white-space: nowrap; }
th { position: sticky; top: 0; background: var(--panel); white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
dl { margin: 0.8rem 0; font-size: 0.88rem; }
dl div { display: grid; grid-template-columns: minmax(9rem, 17rem) 1fr; gap: 0.8rem; padding: 0.2rem 0; }
dl div { border-bottom: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: 0.4rem 0; font-size: 0.9rem; }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.85rem; overflow-wrap: anywhere; }
@media (max-width: 34rem) { dl div { grid-template-columns: 1fr; gap: 0; } }
@media print { .box { max-height: none; overflow: visible; } section { break-before: page; } }
"""
