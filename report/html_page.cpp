// SPDX-License-Identifier: MIT
// What a page looks like and how it is stepped through. Both are part of well-formed XML, so they
// have neither '<' nor '&'.
#include "report/html.h"

namespace iommucheck::oracle {

const char* const page_style = R"css(
:root { color-scheme: light dark; --back: #fdfdfc; --fore: #1c1e21; --soft: #5c636b; --line: #d8dbdf;
  --card: #f3f4f5; --bad: #b3261e; --good: #1a6b3a; --open: #8a5a00; --accent: #1f5fbf; --stale: #e08a83;
  --pending: #e9c46a; --fresh: #a9cdb7; --mark: #fff0b3; }
@media (prefers-color-scheme: dark) { :root:not(.light) { --back: #16181b; --fore: #e6e8ea; --soft: #9aa2ab;
  --line: #353a40; --card: #1e2125; --bad: #ff8a80; --good: #7fd6a0; --open: #f0c060; --accent: #8ab4f8;
  --stale: #a6453d; --pending: #8a6d1f; --fresh: #2f5f43; --mark: #4d4318; } }
:root.dark { color-scheme: dark; --back: #16181b; --fore: #e6e8ea; --soft: #9aa2ab; --line: #353a40;
  --card: #1e2125; --bad: #ff8a80; --good: #7fd6a0; --open: #f0c060; --accent: #8ab4f8; --stale: #a6453d;
  --pending: #8a6d1f; --fresh: #2f5f43; --mark: #4d4318; }
:root.light { color-scheme: light; }
body { margin: 0 auto; max-width: 78rem; padding: 1rem; background: var(--back); color: var(--fore);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; } h3 { font-size: 1rem; }
pre { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card);
  padding: .6rem .8rem; border-radius: 6px; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.violated, .broken { color: var(--bad); font-weight: 600; } .held, .holds { color: var(--good); font-weight: 600; }
.undecided, .environment, .undetermined { color: var(--open); font-weight: 600; }
.soft, .not-exercised, .not-claimed { color: var(--soft); }
section { border-top: 2px solid var(--line); margin-top: 1.5rem; padding-top: .5rem; }
.bar { display: inline-block; height: .6rem; background: var(--fresh); vertical-align: baseline; }
.bar.broken { background: var(--stale); }
svg { display: block; width: 100%; background: var(--card); border-radius: 6px; }
svg text { font: 11px ui-monospace, monospace; fill: var(--fore); }
svg .lane { stroke: var(--line); } svg .step { fill: var(--accent); } svg .named { fill: var(--bad); }
svg .fresh { fill: var(--fresh); } svg .pending { fill: var(--pending); } svg .stale { fill: var(--stale); }
svg .cursor { stroke: var(--fore); stroke-width: 1.5; }
.steps { display: flex; gap: .5rem; align-items: center; margin: .5rem 0; }
.steps input { flex: 1; }
button { font: inherit; padding: .1rem .7rem; }
.now { font-weight: 600; min-height: 3em; }
.two { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); gap: 1rem; }
@media (max-width: 60rem) { .two { grid-template-columns: minmax(0, 1fr); } }
.two ol { max-height: 32rem; overflow: auto; margin: 0; padding-left: 2.6rem; font-size: .85rem; }
.two pre { max-height: 32rem; overflow: auto; margin: 0; }
li.at { background: var(--mark); } li.named { color: var(--bad); }
mark { background: var(--mark); color: inherit; display: inline; }
)css";

const char* const page_script = R"js(
'use strict';
(function () {
  const root = document.documentElement;
  const shade = document.getElementById('shade');
  shade.hidden = false;
  shade.addEventListener('click', function () {
    const dark = root.classList.contains('dark') || (!root.classList.contains('light') ?
      window.matchMedia('(prefers-color-scheme: dark)').matches : false);
    root.classList.toggle('dark', !dark);
    root.classList.toggle('light', dark);
  });
  let last = null;
  function lines(text) { return text.split('\n'); }
  function show(view, at) {
    const step = Math.max(0, Math.min(view.steps - 1, at));
    view.at = step;
    const one = view.list.children[step];
    view.range.value = String(step);
    view.range.setAttribute('aria-valuetext', 'step ' + (step + 1) + ': ' + one.textContent);
    view.now.textContent = 'Step ' + (step + 1) + ' of ' + view.steps + ': ' + one.textContent;
    for (const other of view.list.querySelectorAll('.at')) other.classList.remove('at');
    one.classList.add('at');
    view.list.scrollTop = one.offsetTop - view.list.offsetTop - view.list.clientHeight / 2;
    const x = view.left + (step + 0.5) * view.wide;
    view.cursor.setAttribute('x1', x);
    view.cursor.setAttribute('x2', x);
    const drawing = view.drawings[Number(one.dataset.drawing)];
    const before = step > 0 ? view.drawings[Number(view.list.children[step - 1].dataset.drawing)] : drawing;
    const had = new Set(lines(before));
    view.memory.textContent = '';
    for (const line of lines(drawing)) {
      const part = document.createElement(had.has(line) ? 'span' : 'mark');
      part.textContent = line + '\n';
      view.memory.append(part);
    }
  }
  for (const figure of document.querySelectorAll('.timeline')) {
    const svg = figure.querySelector('svg');
    const view = {
      steps: Number(svg.dataset.steps), left: Number(svg.dataset.left), wide: Number(svg.dataset.wide),
      list: figure.querySelector('ol'), now: figure.querySelector('.now'), range: figure.querySelector('input'),
      cursor: figure.querySelector('.cursor'), memory: figure.querySelector('.memory'),
      drawings: JSON.parse(figure.querySelector('.drawings').textContent), at: 0
    };
    figure.querySelector('.steps').hidden = false;
    view.range.addEventListener('input', function () { last = view; show(view, Number(view.range.value)); });
    figure.querySelector('.back').addEventListener('click', function () { last = view; show(view, view.at - 1); });
    figure.querySelector('.on').addEventListener('click', function () { last = view; show(view, view.at + 1); });
    svg.addEventListener('click', function (event) {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      last = view;
      show(view, Math.floor((x - view.left) / view.wide));
    });
    view.list.addEventListener('click', function (event) {
      const item = event.target.closest('li');
      if (item) { last = view; show(view, Array.prototype.indexOf.call(view.list.children, item)); }
    });
    figure.addEventListener('focusin', function () { last = view; });
    if (last === null) last = view;
    show(view, view.steps - 1);
  }
  document.addEventListener('keydown', function (event) {
    if (last === null || event.target === last.range || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(last, last.at + moves[event.key]);
  });
})();
)js";

}  // namespace iommucheck::oracle
