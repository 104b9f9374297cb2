// How the daemon is, asked every few seconds whatever page is open: the verdict at the top, and what the charts show.

import { api, key } from './api.js';
import { samples } from './chart.js';
import { count, duration, milliseconds, perSecond, plural } from './format.js';

const EVERY_MS = 4_000;
const LOOKED_AT = 25;
const SERIES_MS = 10_000;

export const pulse = {
  /** The last hour; see `samples`. */
  history: [],
  /** When the last answer came; null before the first. */
  at: null,
  ready: null,
  stats: null,
  /** Queues by trouble, the first of them. */
  queues: [],
  matches: 0,
  /** Since when the daemon does not answer. */
  lostSince: null,
  error: null,
};

let timer = null;
let changed = () => {};
let me = null;
let seriesAt = 0;
let turns = 0;

/** Begins, or goes on with another key. */
export function start(identity, onChange) {
  stop();
  Object.assign(pulse, { history: [], at: null, ready: null, stats: null, queues: [], matches: 0, lostSince: null, error: null });
  [me, changed, seriesAt] = [identity, onChange, 0];
  tick();
}

export function stop() {
  clearTimeout(timer);
  turns += 1;
  me = null;
}

/** Asks again now. */
export function hurry() { if (me) tick(); }

async function tick() {
  clearTimeout(timer);
  const turn = (turns += 1);
  let wait = EVERY_MS;
  try {
    pulse.ready = await api.ready();
    if (pulse.ready.checks.log === 'replaying') throw Object.assign(new Error('starting'), { code: 'starting' });
    if (turn !== turns) return;
    const wantsSeries = Date.now() - seriesAt >= SERIES_MS;
    const [list, stats, series] = await Promise.all([
      api.get(`/queues?sort=trouble&limit=${LOOKED_AT}`), api.get('/stats'), wantsSeries && api.get('/stats/series')]);
    if (turn !== turns) return;
    Object.assign(pulse, { queues: list.items, matches: list.matches, stats, at: Date.now() });
    if (series) [pulse.history, seriesAt] = [samples(series), Date.now()];
    const wasLost = pulse.lostSince !== null;
    pulse.lostSince = pulse.error = null;
    if (wasLost) pulse.onRecovered?.();
  } catch (error) {
    if (turn !== turns) return;
    pulse.error = error;
    pulse.lostSince ??= Date.now();
    wait = Date.now() - pulse.lostSince > 30_000 ? 5_000 : 1_000;
  }
  changed();
  clearTimeout(timer);
  if (me && key.get()) timer = setTimeout(tick, wait);
}

// MARK: The verdict

export const LONG_MS = 300_000;
const SOME_MS = 60_000;

/** How much a queue wants someone to look at it; the rule of GET /queues?sort=trouble. */
export function trouble(queue) {
  const age = milliseconds(queue.oldest_ready_age) ?? 0;
  const { rates, counts, settings } = queue;
  const waiting = counts.READY + counts.SCHEDULED + counts.RETRY;
  if (rates.dead_per_minute > 0 || (age >= LONG_MS && !queue.paused)) return 3;
  if (settings.max_length && waiting >= settings.max_length * 0.95) return 3;
  if (fails(queue)) return 2;
  if ((age >= SOME_MS && !queue.paused) || (queue.paused && waiting > 0)) return 2;
  return counts.DEAD > 0 ? 1 : 0;
}

const CHECKS = {
  log: {
    not_writable: ['bad', 'The log cannot be written.', 'No job is taken. Look at the daemon’s own log and at the disk of its data directory, then restart it.'],
  },
  memory: {
    low: ['bad', 'Memory is at its limit: submits are refused.', 'Let workers catch up, delete jobs that ended, or raise MEMORY_LIMIT.'],
  },
  payloads: {
    corrupt: ['bad', 'A payload in the log cannot be read.', 'The disk gave back other bytes than were written. Make a backup now, and see “Repair” in docs/operations.md.'],
  },
  keys: {
    unavailable: ['bad', 'The key store does not answer.', 'Requests are refused with 503. See whether Redis runs and can be reached.'],
    empty: ['bad', 'The key store holds no keys.', 'Every request is refused. Make one with “roost keys create”.'],
  },
  clock: {
    suspect: ['warn', 'The wall clock jumped by more than an hour.', 'Jobs with run_at may be held for up to ten minutes. See whether NTP runs on this machine.'],
  },
};
const DISK = [
  null, 'submits are refused', 'submits and leases are refused', 'submits, leases and large results are refused',
];

/** What is wrong, the worst first: `{level, what, advice, href}`. */
export function problems(identity) {
  const found = [];
  const add = (level, what, advice, href) => found.push({ level, what, advice, href });
  const checks = pulse.ready?.checks ?? {};
  for (const [name, states] of Object.entries(CHECKS)) {
    const problem = states[checks[name]];
    if (problem) add(...problem);
  }
  if (checks.disk === 'low') {
    add('bad', `The disk is nearly full: ${DISK[checks.disk_level] ?? DISK[1]}.`, 'Free space on the volume of the data directory; deleting jobs that ended lets the log shrink.');
  }
  together('dead_per_minute', (queue) => queue.rates.dead_per_minute > 0, (sum, names, only) => add('bad', `${plural(sum, 'job')} died in the last minute: ${names}.`, 'Look at their errors; replay them once the cause is mended.', only ? `#/dead?queue=${encodeURIComponent(only)}` : '#/dead'));
  for (const queue of pulse.queues) ofQueue(queue, add);
  together('failed_per_minute', fails, (sum, names, only) => add('warn', `${plural(sum, 'attempt')} failed in the last minute: ${names}.`, 'More than a tenth of those begun; they are retried.', `#/jobs?q=${encodeURIComponent(only ? `queue:${only} state:RETRY` : 'state:RETRY')}`));
  if (pulse.matches > LOOKED_AT && trouble(pulse.queues.at(-1)) > 1) add('warn', `More queues than the ${LOOKED_AT} worst want a look.`, 'These are told of here.', '#/queues');
  const expiry = identity.expires_at ? Date.parse(identity.expires_at) - Date.now() : Infinity;
  if (expiry < 7 * 86_400_000) add('warn', `Your key expires in ${duration(expiry)}.`, 'Ask for a new one, or make one under Keys.', '#/keys');
  return found.sort((a, b) => (a.level === 'bad' ? 0 : 1) - (b.level === 'bad' ? 0 : 1));
}

function fails(queue) { return queue.rates.failed_per_minute > 0 && queue.rates.failed_per_minute * 10 > queue.rates.leased_per_minute; }

/** One line for what happens in several queues: their names and numbers, the largest first. */
function together(rate, isSo, add) {
  const found = pulse.queues.filter(isSo).sort((a, b) => b.rates[rate] - a.rates[rate]);
  if (!found.length) return;
  const names = found.slice(0, 4).map((queue) => `${queue.name} ${count(queue.rates[rate])}`).join(', ');
  add(found.reduce((sum, queue) => sum + queue.rates[rate], 0), found.length > 4 ? `${names} and ${found.length - 4} more` : names, found.length === 1 ? found[0].name : null);
}

function ofQueue(queue, add) {
  const level = trouble(queue);
  if (level < 2) return;
  const href = `#/queues/${encodeURIComponent(queue.name)}`;
  const { rates, counts, settings } = queue;
  const age = milliseconds(queue.oldest_ready_age) ?? 0;
  const waiting = counts.READY + counts.SCHEDULED + counts.RETRY;
  if (settings.max_length && waiting >= settings.max_length * 0.95) {
    const then = settings.on_full === 'drop_oldest' ? 'the oldest are dropped' : 'submits are refused';
    add('bad', `${queue.name} is full: ${count(waiting)} of ${count(settings.max_length)} jobs wait.`, `Beyond that ${then}. Start more workers, or raise max_length.`, href);
  }
  if (queue.paused) {
    const reason = queue.pause?.reason ? ` (“${queue.pause.reason}”)` : '';
    if (waiting > 0) add('warn', `${queue.name} is paused${reason} and ${plural(waiting, 'job waits', 'jobs wait')}.`, 'Resume it when the reason is gone.', href);
  } else if (age >= SOME_MS) {
    const what = `${queue.name}: a job has been ready for ${duration(age)}.`;
    const why = queue.held_by === 'concurrency' ? `As many jobs run as may (concurrency ${settings.concurrency}).`
      : queue.held_by === 'rate' ? 'Its rate is used up.'
      : rates.leased_per_minute === 0 ? 'No worker takes jobs from it: start some, or see why they stopped.'
      : `Workers take ${perSecond(rates.leased_per_minute / 60)} and ${perSecond(rates.submitted_per_minute / 60)} come in: start more.`;
    add(age >= LONG_MS ? 'bad' : 'warn', what, why, href);
  }
}
