// Is it well? What is wrong, and what to do; then how much comes in, goes out, waits.

import { h } from './dom.js';
import { charts, stateBar } from './chart.js';
import { count, duration, milliseconds, perSecond, plural, short, span } from './format.js';
import { LONG_MS, problems, pulse, trouble } from './pulse.js';
import { badge, empty, loading, queueLink, tile } from './ui.js';

const STATES = ['READY', 'RUNNING', 'SCHEDULED', 'RETRY', 'DEAD', 'ACKED', 'CANCELLED'];
const LEVELS = ['good', 'good', 'warn', 'bad'];

export function open(context) {
  return { title: 'Overview', live: true, view: () => (pulse.stats ? view(context) : loading()) };
}

function view(context) {
  const { stats } = pulse;
  const { counts, rates } = stats;
  const found = problems(context.me);
  const hasJobs = STATES.some((state) => counts[state] > 0) || stats.totals.submitted > 0;
  return [
    verdict(found),
    hasJobs ? [
      h('section', { class: 'tiles', 'aria-label': 'now', key: 'tiles' },
        tile('Ready', short(counts.READY), { note: oldest(), level: oldestLevel(), href: '#/queues?sort=oldest' }),
        tile('Running', short(counts.RUNNING), { note: runs(stats), href: context.may('jobs:lease') ? '#/workers' : '#/jobs?q=state%3ARUNNING' }),
        tile('Later', short(counts.SCHEDULED + counts.RETRY), { note: `${short(counts.RETRY)} to retry`, href: '#/jobs?q=state%3ARETRY' }),
        tile('Dead letters', short(counts.DEAD), { note: rates.dead_per_minute ? `${short(rates.dead_per_minute)} in the last minute` : 'none in the last minute', level: rates.dead_per_minute ? 'bad' : '', href: '#/dead' }),
        tile('Errors', errorRate(rates), { note: rates.failed_per_minute ? `${short(rates.failed_per_minute)} failed in the last minute` : 'none in the last minute', level: rates.failed_per_minute * 10 > rates.leased_per_minute ? 'warn' : '' })),
      h('section', { class: 'charts', key: 'charts', 'aria-label': 'the last hour' }, charts('all', pulse.history, context.redraw)),
      queues(),
    ] : empty('No jobs yet', 'Submit the first one, and this page comes to life:',
      `curl -H "Authorization: Bearer $KEY" ${location.origin}/jobs \\\n  -d '{"queue": "email", "payload": {"to": "ada@example.org"}}'`),
  ];
}

function verdict(found) {
  const level = found.some((one) => one.level === 'bad') ? 'bad' : found.length ? 'warn' : 'good';
  const worst = found.filter((one) => one.level === 'bad').length;
  const title = level === 'good' ? 'All is well' : worst ? `${plural(worst, 'thing needs', 'things need')} attention` : `${plural(found.length, 'thing')} to watch`;
  const quiet = `${plural(pulse.matches, 'queue')}. Log, disk, memory, clock and keys are fine; no queue is stuck.`;
  return h('section', { class: `verdict ${level}`, key: 'verdict', 'aria-label': 'verdict' },
    h('h1', {}, h('span', { class: 'dot', 'aria-hidden': 'true' }), title),
    found.length
      ? h('ul', {}, found.slice(0, 8).map((one) => h('li', { key: one.what, class: one.level },
        h('span', { class: 'level' }, one.level === 'bad' ? 'now' : 'soon'),
        h('span', {}, h('b', {}, one.what), ' ', one.advice), one.href && h('a', { href: one.href, 'data-open': true, 'aria-label': `Look: ${one.what}` }, 'Look →'))),
        found.length > 8 && h('li', {}, h('span'), h('a', { href: '#/queues?sort=trouble' }, `and ${found.length - 8} more`)))
      : h('p', {}, quiet));
}

function longestAge() { return Math.max(-1, ...pulse.queues.map((queue) => milliseconds(queue.oldest_ready_age) ?? -1)); }

function oldest() {
  const age = longestAge();
  return age < 0 ? 'none waits' : `the oldest for ${duration(age)}`;
}

function oldestLevel() { return pulse.queues.some((queue) => !queue.paused && (milliseconds(queue.oldest_ready_age) ?? 0) >= LONG_MS) ? 'bad' : ''; }

function runs(stats) {
  const longest = stats.items.filter((item) => item.run.count).sort((a, b) => milliseconds(b.run.p99) - milliseconds(a.run.p99))[0];
  return longest ? `p99 ${span(longest.run.p99)}` : 'no run measured yet';
}

function errorRate(rates) {
  if (!rates.leased_per_minute) return rates.failed_per_minute ? '100 %' : '0 %';
  const part = (100 * rates.failed_per_minute) / rates.leased_per_minute;
  return `${part && part < 10 ? part.toFixed(1) : Math.min(100, Math.round(part))} %`;
}

function queues() {
  return h('section', { key: 'queues', 'aria-label': 'queues by trouble' },
    h('div', { class: 'heading' }, h('h2', {}, 'Queues, the worst first'), h('a', { href: '#/queues' }, `all ${count(pulse.matches)} →`)),
    h('ul', { class: 'queuelist' }, pulse.queues.slice(0, 10).map((queue) => h('li', { key: queue.name, class: LEVELS[trouble(queue)] },
      h('span', { class: 'dot', 'aria-hidden': 'true' }),
      h('span', { class: 'name' }, queueLink(queue.name, { 'data-open': true }),
        queue.paused && badge('paused', 'paused'), !queue.paused && queue.held_by && badge('warn', `held: ${queue.held_by}`)),
      h('span', { class: 'numbers' },
        h('span', {}, h('b', {}, short(queue.counts.READY)), ' ready'), h('span', {}, h('b', {}, short(queue.counts.RUNNING)), ' running'),
        h('span', { class: queue.counts.DEAD ? 'bad' : '' }, h('b', {}, short(queue.counts.DEAD)), ' dead'),
        h('span', {}, h('b', {}, perSecond(queue.rates.acked_per_minute / 60)), ' done'),
        h('span', {}, h('b', {}, queue.oldest_ready_age ? span(queue.oldest_ready_age) : '–'), ' oldest')),
      stateBar(queue.counts, ['READY', 'RUNNING', 'SCHEDULED', 'RETRY', 'DEAD'])))));
}
