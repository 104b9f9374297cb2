// All queues: what they hold, how fast they move, which are in trouble. The daemon sorts and pages.

import { api, query } from './api.js';
import { h } from './dom.js';
import { stateBar } from './chart.js';
import { count, perSecond, plural, short, span } from './format.js';
import { trouble } from './pulse.js';
import { badge, empty, heading, loading, pages, queueLink, table } from './ui.js';

const ORDERS = { trouble: 'trouble first', waiting: 'most waiting', oldest: 'oldest job', dead: 'most dead letters', rate: 'busiest', name: 'name' };
const SIZE = 50;

export function open(context) {
  const state = { sort: ORDERS[context.query.get('sort')] ? context.query.get('sort') : 'trouble', match: context.query.get('match') ?? '', cursors: [null], page: null };
  const again = () => {
    state.cursors = [null];
    context.put({ sort: state.sort === 'trouble' ? null : state.sort, match: state.match });
    context.reload();
  };
  let typing = null;
  return {
    title: 'Queues', every: 4_000,
    close: () => clearTimeout(typing),
    async load() {
      state.page = await api.get('/queues' + query({ sort: state.sort, match: state.match, limit: SIZE, cursor: state.cursors.at(-1) }));
    },
    view: () => [
      heading('Queues', state.page && plural(state.page.matches, 'queue')),
      h('div', { class: 'bar' },
        h('div', { class: 'grow' }, h('input', {
          type: 'search', 'data-search': true, placeholder: 'Name contains …   ( / )', 'aria-label': 'filter queues by name', value: state.match,
          oninput: (event) => {
            state.match = event.target.value.trim();
            clearTimeout(typing);
            typing = setTimeout(again, 200);
          },
        })),
        h('label', { class: 'actions' }, h('span', { class: 'hint' }, 'Order'), h('select', {
          'aria-label': 'order of the queues', value: state.sort, css: { width: 'auto' },
          onchange: (event) => { state.sort = event.target.value; again(); },
        }, Object.entries(ORDERS).map(([name, label]) => h('option', { value: name, selected: name === state.sort }, label))))),
      list(context, state),
    ],
  };
}

function list(context, state) {
  const page = state.page;
  if (!page) return loading();
  if (!page.items.length) {
    return state.match ? empty('No such queue', `No queue that your key may see has “${state.match}” in its name.`)
      : empty('No queues yet', 'A queue begins with its first job, and needs no declaration:', `curl -H "Authorization: Bearer $KEY" ${location.origin}/jobs -d '{"queue": "email", "payload": 1}'`);
  }
  const step = state.cursors.length;
  return [
    table('queues', [
      { name: 'Queue', isHeading: true, kind: 'wide grow', of: (queue) => [queueLink(queue.name, { 'data-open': true }), ' ', marks(queue), stateBar(queue.counts, ['READY', 'RUNNING', 'SCHEDULED', 'RETRY', 'DEAD'])] },
      { name: 'Ready', kind: 'number', of: (queue) => short(queue.counts.READY) },
      { name: 'Running', kind: 'number', of: (queue) => short(queue.counts.RUNNING) + (queue.settings.concurrency ? ` / ${short(queue.settings.concurrency)}` : '') },
      { name: 'Later', kind: 'number', of: (queue) => short(queue.counts.SCHEDULED + queue.counts.RETRY) },
      { name: 'Dead', kind: 'number', of: (queue) => h('span', { class: queue.counts.DEAD ? 'bad' : '' }, short(queue.counts.DEAD)) },
      { name: 'Oldest ready', kind: 'number', of: (queue) => (queue.oldest_ready_age ? span(queue.oldest_ready_age) : '–') },
      { name: 'In', kind: 'number', of: (queue) => perSecond(queue.rates.submitted_per_minute / 60) },
      { name: 'Done', kind: 'number', of: (queue) => perSecond(queue.rates.acked_per_minute / 60) },
      { name: 'Failed', kind: 'number', of: (queue) => h('span', { class: queue.rates.failed_per_minute ? 'warn' : '' }, perSecond(queue.rates.failed_per_minute / 60)) },
    ], page.items, { keyOf: (queue) => queue.name }),
    pages(state.cursors, page.next_cursor, context.reload, `${count((step - 1) * SIZE + 1)}–${count((step - 1) * SIZE + page.items.length)} of ${count(page.matches)}`),
  ];
}

/** What is out of the ordinary. */
export function marks(queue) {
  const level = trouble(queue);
  return [
    queue.paused && badge('paused', 'paused'),
    !queue.paused && queue.held_by && badge('warn', queue.held_by === 'deletion' ? 'being deleted' : `held: ${queue.held_by}`),
    level === 3 && badge('bad', 'needs a look'),
  ];
}
