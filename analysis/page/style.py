"""How the report looks: sober, readable on a phone, printable."""

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1c1c1c; font: 16px/1.55 Georgia, "Times New Roman", serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.35rem; margin: 0; overflow-wrap: anywhere; }
h2 small { color: #595959; font-weight: normal; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 0.4rem; overflow-wrap: anywhere; }
p { margin: 0.6rem 0; overflow-wrap: anywhere; }
section { margin-top: 3rem; padding-top: 1.2rem; border-top: 2px solid #1c1c1c; }
.question { font-style: italic; }
a { color: #0b3a63; }
a:focus-visible, summary:focus-visible, .box:focus-visible { outline: 3px solid #1f6391; outline-offset: 2px; }
.badge, table, dl, summary, footer { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.badge { display: inline-block; padding: 0.05rem 0.5rem; border-radius: 0.3rem; font-size: 0.85rem; font-weight: 600; }
.badge { white-space: nowrap; }
.badge.holds { background: #1d6b3a; color: #fff; }
.badge.fails { background: #9b1c1c; color: #fff; }
.badge.open { background: #7a5a00; color: #fff; }
.badge.none { background: #e6e6e6; color: #1c1c1c; }
.verdict { padding: 0.6rem 0.8rem; border-left: 4px solid #595959; background: #f6f6f4; }
.verdict.holds { border-color: #1d6b3a; }
.verdict.fails { border-color: #9b1c1c; }
.verdict.open { border-color: #7a5a00; }
.trouble { color: #9b1c1c; }
img { display: block; max-width: 100%; height: auto; margin: 0.6rem 0; }
.box { overflow-x: auto; max-height: 32rem; overflow-y: auto; margin: 0.8rem 0; border: 1px solid #d5d5d5; }
.overview .box { max-height: none; }
.overview td:last-child { min-width: 12rem; font-size: 0.8rem; }
table { border-collapse: collapse; font-size: 0.85rem; min-width: 100%; }
caption { text-align: left; padding: 0.4rem 0.6rem; color: #595959; }
th, td { padding: 0.35rem 0.6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e6e6; }
td { min-width: 3rem; max-width: 24rem; overflow-wrap: break-word; }
td:not([class]):not(:has(a, .badge)) { min-width: 15rem; }
td.short, td:has(a), td:has(.badge) { white-space: nowrap; }
th { position: sticky; top: 0; background: #f6f6f4; white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
dl { margin: 0.8rem 0; font-size: 0.88rem; }
dl div { display: grid; grid-template-columns: minmax(9rem, 17rem) 1fr; gap: 0.8rem; padding: 0.2rem 0; }
dl div { border-bottom: 1px solid #eee; }
dt { color: #595959; }
dd { margin: 0; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: 0.4rem 0; font-size: 0.9rem; }
footer { margin-top: 3rem; color: #595959; font-size: 0.85rem; overflow-wrap: anywhere; }
@media (max-width: 34rem) { dl div { grid-template-columns: 1fr; gap: 0; } }
@media print { .box { max-height: none; overflow: visible; } section { break-before: page; } }
"""
