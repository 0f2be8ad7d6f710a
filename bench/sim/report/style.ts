/** The style of the page. Colours are told apart by people with any colour vision, and each series has a dash of its own as well. */

const LIGHT = ['#0b63a5', '#b54a00', '#1f7a3d', '#8a2a84', '#8a6a00', '#00717f', '#a3123f', '#555555'];
const DARK = ['#6cb6f5', '#ff9d5c', '#6fcf8f', '#dd8fd8', '#e0c050', '#5fd3e0', '#ff87a8', '#bbbbbb'];
const DASHES = ['none', '7 3', '2 3', '9 3 2 3', '4 2', '12 4', '1 2', '6 2 1 2 1 2'];

const variables = (colours: readonly string[]): string =>
  colours.map((colour, index) => `--c${index}:${colour}`).join(';');

const series = LIGHT.map(
  (_, index) =>
    `.s${index}{--c:var(--c${index})}.series.s${index}>path,.swatch.s${index} line{stroke-dasharray:${DASHES[index]}}`,
).join('\n');

export const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1c1c1c;--soft:#5a5a5a;--line:#d9d9d9;--panel:#f6f7f8;--bad:#a3123f;--good:#1f7a3d;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{--bg:#15181b;--fg:#e8e8e8;--soft:#a8adb3;--line:#3a4046;--panel:#1e2226;--bad:#ff87a8;--good:#6fcf8f;${variables(DARK)}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:60rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:.2em 0;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.2em 0 .5em}
h3{font-size:1.05rem;margin:2em 0 .2em}
p{margin:.4em 0}
.note{color:var(--soft)}
.warnings{border-left:4px solid var(--bad);background:var(--panel);padding:.6rem 1rem}
.savings{border-left:4px solid var(--good);background:var(--panel);padding:.6rem 1rem}
.warnings h2,.savings h2{margin:.1em 0 .3em}
ul{margin:.3em 0;padding-left:1.3em}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600;color:var(--soft)}
td.n,th.n{text-align:right}
.met{color:var(--good)}
.missed{color:var(--bad);font-weight:600}
pre{background:var(--panel);padding:.7rem 1rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:.5rem 0 0}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font:12px system-ui,sans-serif}
svg text.number{fill:var(--fg)}
svg text.empty{font-size:15px}
.grid{stroke:var(--line);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1}
.mark line{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.series>path{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}
.dot{fill:var(--c)}
.hit{fill:transparent}
.hit:hover{fill:var(--c);fill-opacity:.35}
.bar rect{fill:var(--c)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;padding:0;margin:.4rem 0;font-size:.88rem}
.swatch{display:inline-block;width:28px;height:10px;margin-right:.4rem;vertical-align:middle}
.swatch line{stroke:var(--c);stroke-width:3}
details{margin:.3rem 0 0;font-size:.92rem}
summary{cursor:pointer;color:var(--soft)}
${series}
@media print{details{display:none}}
`;
