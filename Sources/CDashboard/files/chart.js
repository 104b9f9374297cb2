// Charts in SVG. Their size is fixed before there is data, so that nothing jumps.

import { h } from './dom.js';
import { clock, duration } from './format.js';

const [W, H] = [600, 150];
let hovered = null;

/**
 * Lines over time.
 *
 * series: [{name, kind, of: (sample) => number}]; kind is a class that gives the colour and the dash.
 */
export function lineChart({ id, title, note, history, openedAt, series, show, redraw }) {
  const end = Date.now();
  const start = Math.max(end - 3_600_000, Math.min(openedAt, end - 300_000));
  const samples = history.filter((sample) => sample.at >= start);
  const most = Math.max(0, ...samples.flatMap((sample) => series.map((line) => line.of(sample))));
  const top = nice(most);
  const x = (at) => ((at - start) / (end - start)) * W;
  const y = (value) => H - (value / top) * (H - 6);
  const isHovered = hovered?.id === id && samples.length > 0;
  const nearest = isHovered
    ? samples.reduce((best, sample) => (Math.abs(sample.at - hovered.at) < Math.abs(best.at - hovered.at) ? sample : best))
    : samples.at(-1);
  const over = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    hovered = { id, at: start + ((event.clientX - box.left) / box.width) * (end - start) };
    redraw();
  };
  const out = () => { hovered = null; redraw(); };
  const path = (line) => samples.map((sample, place) => `${place ? 'L' : 'M'}${x(sample.at).toFixed(1)} ${y(line.of(sample)).toFixed(1)}`).join('');
  const summary = `${title}: ` + (nearest ? series.map((line) => `${line.name} ${show(line.of(nearest))}`).join(', ') : 'no data yet');
  return h('figure', { class: 'chart', key: id },
    h('figcaption', {},
      h('h2', {}, title, h('small', {}, note)),
      h('div', { class: 'legend' },
        series.map((line) => h('span', { key: line.name, class: `key ${line.kind}` }, line.name, ' ', h('b', {}, nearest ? show(line.of(nearest)) : '–'))),
        h('time', {}, isHovered ? clock(nearest.at) : 'now'))),
    h('div', { class: 'plot', onpointermove: over, onpointerleave: out },
      h('svg', { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': summary },
        [0.25, 0.5, 0.75, 1].map((part) => h('line', { class: 'grid', x1: 0, x2: W, y1: y(top * part), y2: y(top * part) })),
        samples.length > 1 && h('path', { class: `area ${series[0].kind}`, d: `${path(series[0])}L${x(samples.at(-1).at).toFixed(1)} ${H}L${x(samples[0].at).toFixed(1)} ${H}Z` }),
        samples.length > 1 && series.map((line) => h('path', { class: `line ${line.kind}`, d: path(line) })),
        isHovered && h('line', { class: 'cursor', x1: x(nearest.at), x2: x(nearest.at), y1: 0, y2: H })),
      h('span', { class: 'top' }, most > 0 ? show(top) : ''),
      samples.length < 2 && h('span', { class: 'wait' }, 'Collecting: the first points come in seconds.')),
    h('div', { class: 'times' }, h('span', {}, `${duration(end - start)} ago`), h('span', {}, 'now')));
}

/** The next number of 1, 2, 5 × 10ⁿ. */
function nice(most) {
  if (most <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * unit).find((value) => value >= most);
}

/** How much of a limit is used; one that is there to be reached is no alarm. */
export function meter(used, limit, label, { isAlarm = true } = {}) {
  const part = Math.min(1, limit > 0 ? used / limit : 0);
  const level = part >= 0.95 && isAlarm ? 'bad' : part >= 0.8 ? 'warn' : 'good';
  return h('span', { class: `meter ${level}`, role: 'meter', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': limit, 'aria-valuenow': used },
    h('span', { css: { width: `${(part * 100).toFixed(1)}%` } }));
}

/** The states of jobs as parts of one bar. */
export function stateBar(counts, states) {
  const all = states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  return h('span', { class: 'statebar', 'aria-hidden': 'true' },
    states.filter((state) => counts[state] > 0).map((state) =>
      h('span', { key: state, class: `fill ${state}`, css: { 'flex-grow': String(Math.max(counts[state] / all, 0.01)) } })));
}
