// Schedules: when each fires, in plain words, and what it missed.

import { api, path, query } from './api.js';
import { h } from './dom.js';
import { count, span } from './format.js';
import { ask, at, badge, button, empty, field, heading, loading, pages, queueLink, table, when } from './ui.js';

const SIZE = 50;

export function open(context) {
  const state = { page: null, cursors: [null] };
  return {
    title: 'Schedules', every: 5_000,
    async load() { state.page = await api.get('/schedules' + query({ limit: SIZE, cursor: state.cursors.at(-1) })); },
    view: () => [
      heading('Schedules', 'jobs that are made at instants'),
      state.page ? list(context, state) : loading(),
    ],
  };
}

function list(context, state) {
  const { items, next_cursor: next } = state.page;
  if (!items.length) {
    return empty('No schedules', 'A schedule makes a job at each of its instants. This one does so at 02:30 on weekdays:',
      `curl -H "Authorization: Bearer $KEY" -X PUT ${location.origin}/schedules/report \\\n  -d '{"cron": "30 2 * * MON-FRI", "timezone": "Europe/Berlin", "job": {"queue": "reports", "payload": {}}}'`);
  }
  return [
    table('schedules', [
      { name: 'Schedule', isHeading: true, kind: 'wide', of: (one) => [one.schedule, ' ', stateOf(one), h('small', {}, ` ${one.owner_id}`)] },
      { name: 'When', kind: 'wide grow', of: (one) => [one.every ? `every ${span(one.every)}` : one.words ? `${one.words}, ${one.timezone} ` : `${one.timezone} `, one.cron && h('code', {}, one.cron)] },
      { name: 'Next', kind: 'tight', of: (one) => (one.next.length ? h('details', {}, h('summary', {}, when(one.next[0])), h('ul', {}, one.next.map((time) => h('li', { key: time }, at(time))))) : '–') },
      { name: 'Last', kind: 'tight', of: (one) => when(one.last) },
      { name: 'Queue', kind: 'name', of: (one) => queueLink(one.job.queue) },
      { name: 'Runs', kind: 'number', of: (one) => `${count(one.runs)}${one.running ? `, ${count(one.running)} open` : ''}` },
      { name: 'Missed', kind: 'number', of: (one) => missed(one.misses) },
      context.mayChange('jobs:submit') && { name: 'Actions', kind: 'tight', of: (one) => h('span', { class: 'actions' }, one.paused ? button('Resume', () => act(context, one, 'resume')) : button('Pause', () => act(context, one, 'pause')), button('Trigger', () => act(context, one, 'trigger'))) },
    ].filter(Boolean), items, { keyOf: (one) => `${one.owner_id} ${one.schedule}` }),
    pages(state.cursors, next, context.reload),
  ];
}

function stateOf(one) {
  if (one.paused) return [badge('paused'), h('small', {}, ` ${one.pause?.reason ?? ''}`)];
  return one.held_by ? badge('warn', `waits: ${one.held_by}`) : one.state === 'finished' && badge('quiet', 'finished');
}

function missed(misses) {
  const found = Object.entries(misses).filter(([, number]) => number > 0);
  return found.length ? h('span', { class: 'warn' }, found.map(([reason, number]) => `${count(number)} ${reason}`).join(', ')) : '–';
}

const ACTIONS = {
  pause: ['Pause', 'Nothing fires until it is resumed, and what would have is not made up for. Runs go on.'],
  resume: ['Resume', 'It fires again, from its next instant on.'],
  trigger: ['Trigger', 'It makes a job now, whatever its instants are.'],
};

function act(context, one, verb) {
  const [action, text] = ACTIONS[verb];
  let reason = '';
  ask({
    title: `${action} ${one.schedule}`, action, text,
    fields: verb === 'pause' ? () => field('Reason', h('input', { maxlength: 255, oninput: (event) => { reason = event.target.value; } })) : undefined,
    async run() {
      await api.post(path`/schedules/${one.schedule}/` + verb + query({ owner_id: one.owner_id }), reason ? { reason } : undefined);
      context.reload();
      return 'Done.';
    },
  });
}
