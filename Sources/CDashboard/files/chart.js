// Charts in SVG. Their size is fixed before there is data, so that nothing jumps.

import { h } from './dom.js';
import { clock, duration, milliseconds, perSecond } from './format.js';

const [W, H] = [600, 150];
let hovered = null;

/** The answer of /stats/series as samples: `{at, submitted, acked, failed}` a second, `wait50`, `wait99`, `run99` in milliseconds. */
export function samples(series) {
  if (!series.from) return [];
  const [start, step] = [Date.parse(series.from), milliseconds(series.interval)];
  const rate = (name, place) => series[name][place] / (step / 1_000);
  return series.submitted.map((number, place) => number !== null && {
    at: start + (place + 1) * step, submitted: rate('submitted', place), acked: rate('acked', place), failed: rate('failed', place),
    wait50: series.wait_p50_ms[place], wait99: series.wait_p99_ms[place], run99: series.run_p99_ms[place],
  }).filter(Boolean);
}

/** What comes in and goes out, and how long jobs wait, over the last hour. */
export function charts(id, history, redraw, note = 'the last hour') {
  return [
    lineChart({ id: `${id}-throughput`, title: 'Throughput', note, history, redraw, show: perSecond, series: [
      { name: 'done', kind: 'good', of: (s) => s.acked }, { name: 'submitted', kind: 'blue', of: (s) => s.submitted }, { name: 'failed', kind: 'bad', of: (s) => s.failed }] }),
    lineChart({ id: `${id}-latency`, title: 'Wait before the start', note, history, redraw, show: duration, series: [
      { name: 'p99', kind: 'warn', of: (s) => s.wait99 }, { name: 'p50', kind: 'blue', of: (s) => s.wait50 }, { name: 'run p99', kind: 'quiet', of: (s) => s.run99 }] }),
  ];
}

/**
 * Lines over time; a sample that has no number leaves a gap.
 *
 * series: [{name, kind, of: (sample) => number | null}]; kind is a class that gives the colour and the dash.
 */
function lineChart({ id, title, note, history: samples, series, show, redraw }) {
  const end = Date.now();
  const start = Math.max(end - 3_600_000, Math.min(samples[0]?.at ?? end, end - 300_000));
  const most = Math.max(0, ...samples.flatMap((sample) => series.map((line) => line.of(sample) ?? 0)));
  const top = nice(most);
  const x = (at) => (((at - start) / (end - start)) * W).toFixed(1);
  const y = (value) => (H - (value / top) * (H - 6)).toFixed(1);
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
  const path = (line) => samples.map((sample, place) => {
    const value = line.of(sample);
    if (value === null) return '';
    const isFirst = !place || line.of(samples[place - 1]) === null;
    return `${isFirst ? 'M' : 'L'}${x(sample.at)} ${y(value)}${isFirst ? 'h0' : ''}`;
  }).join('');
  const summary = `${title}: ` + (nearest ? series.map((line) => `${line.name} ${show(line.of(nearest))}`).join(', ') : 'no data yet');
  const isWhole = samples.length > 1 && samples.every((sample) => series[0].of(sample) !== null);
  return h('figure', { class: 'chart', key: id },
    h('figcaption', {},
      h('h2', {}, title, h('small', {}, note)),
      h('div', { class: 'legend' },
        series.map((line) => h('span', { key: line.name, class: `key ${line.kind}` }, line.name, ' ', h('b', {}, nearest ? show(line.of(nearest)) : '–'))),
        h('time', {}, isHovered ? clock(nearest.at) : 'now'))),
    h('div', { class: 'plot', onpointermove: over, onpointerleave: out },
      h('svg', { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': summary },
        [0.25, 0.5, 0.75, 1].map((part) => h('line', { class: 'grid', x1: 0, x2: W, y1: y(top * part), y2: y(top * part) })),
        isWhole && h('path', { class: `area ${series[0].kind}`, d: `${path(series[0])}L${x(samples.at(-1).at)} ${H}L${x(samples[0].at)} ${H}Z` }),
        samples.length > 0 && series.map((line) => h('path', { class: `line ${line.kind}`, d: path(line) })),
        isHovered && h('line', { class: 'cursor', x1: x(nearest.at), x2: x(nearest.at), y1: 0, y2: H })),
      h('span', { class: 'top' }, most > 0 ? show(top) : ''),
      !samples.length && h('span', { class: 'wait' }, 'The first point comes within ten seconds.')),
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
