// Who holds what, since when, until when.

import { api } from './api.js';
import { h } from './dom.js';
import { count, plural } from './format.js';
import { badge, button, empty, heading, jobLink, loading, queueLink, table, when } from './ui.js';

const SHOWN = 100;

export function open(context) {
  const state = { workers: null, match: '', shown: SHOWN };
  return {
    title: 'Workers', every: 4_000,
    async load() { state.workers = (await api.get('/workers')).items; },
    view: () => [
      heading('Workers', state.workers && plural(state.workers.length, 'worker')),
      state.workers?.length > 0 && h('div', { class: 'bar' }, h('div', { class: 'grow' }, h('input', { type: 'search', 'data-search': true, placeholder: 'Worker, key or queue contains …   ( / )', 'aria-label': 'filter workers', oninput: (event) => { state.match = event.target.value.trim().toLowerCase(); state.shown = SHOWN; context.redraw(); } }))),
      state.workers ? list(context, state) : loading(),
    ],
  };
}

function list(context, state) {
  if (!state.workers.length) {
    return empty('No workers', 'A worker is seen here while it holds a job or waits for one. This takes one job of “email”, waiting for up to a minute:',
      `curl -H "Authorization: Bearer $WORKER_KEY" ${location.origin}/jobs/lease \\\n  -d '{"queues": ["email"], "wait": "60s", "worker_id": "me"}'`);
  }
  const found = state.workers.filter((worker) => !state.match || [worker.worker_id, worker.key_id, ...worker.queues].some((text) => text.toLowerCase().includes(state.match)));
  const isLate = (worker) => worker.lease_until && Date.parse(worker.lease_until) < Date.now();
  return [
    table('workers', [
      { name: 'Worker', isHeading: true, kind: 'wide', of: (worker) => [worker.worker_id || h('span', { class: 'hint' }, '(says no name)'), ' ', isLate(worker) && badge('warn', 'lease is over')] },
      { name: 'Key', kind: 'tight', of: (worker) => h('span', { class: 'id' }, worker.key_id) },
      { name: 'Holds', kind: 'number', of: (worker) => count(worker.running) },
      { name: 'Waits', kind: 'number', of: (worker) => (worker.waiting ? plural(worker.waiting, 'request') : '–') },
      { name: 'Queues', kind: 'grow', of: (worker) => worker.queues.slice(0, 6).map((queue, place) => [place > 0 && ', ', queueLink(queue)]).concat(worker.queues.length > 6 ? [` and ${worker.queues.length - 6} more`] : []) },
      { name: 'Oldest job', kind: 'tight', of: (worker) => (worker.oldest_job_id ? [jobLink(worker.oldest_job_id), ' ', when(worker.oldest_since)] : '–') },
      { name: 'Last took one', kind: 'tight', of: (worker) => when(worker.last_leased_at) },
      { name: 'First lease ends', kind: 'tight', of: (worker) => when(worker.lease_until) },
    ], found.slice(0, state.shown), { keyOf: (worker) => `${worker.key_id} ${worker.worker_id}` }),
    found.length > state.shown && h('nav', { class: 'pager', 'aria-label': 'more' }, h('span', {}, `${count(state.shown)} of ${count(found.length)}`), button('Show more', () => { state.shown += SHOWN; context.redraw(); })),
  ];
}
