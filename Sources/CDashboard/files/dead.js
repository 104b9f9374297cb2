// Dead letters: what died of what. The daemon tells which errors have one shape.

import { api, path, query } from './api.js';
import { bulk, each } from './bulk.js';
import { h } from './dom.js';
import { count, plural } from './format.js';
import { pulse } from './pulse.js';
import { button, empty, failure, jobLink, loading, pickColumn, queueLink, table, when } from './ui.js';

const SIZE = 200;
const MOST = 2_000;
const REASONS = { attempts_exhausted: 'attempts spent', permanent_failure: 'not to be retried' };

export function open(context) {
  const state = { queue: context.query.get('queue') ?? '', groups: null, letters: null, next: null, picked: new Set(), shape: null, more: false };
  const mayManage = context.mayChange('queues:manage');
  const again = () => { Object.assign(state, { letters: null, more: false }); state.picked.clear(); context.reload(); };
  return {
    title: 'Dead letters', every: 10_000,
    async load() {
      // Rows do not move under a selection, nor go when more were asked for.
      if (state.letters && (state.more || state.picked.size)) return;
      const { queue, shape } = state;
      const [groups, page] = await Promise.all([
        api.get('/dlq/groups' + query({ queue, limit: 20 })), api.get('/dlq' + query({ queue, shape: shape?.shape, limit: SIZE }))]);
      Object.assign(state, { groups, letters: page.items, next: page.next_cursor });
      if (shape && !groups.items.some((group) => group.shape === shape.shape)) { state.shape = null; again(); }
    },
    view: () => [
      h('div', { class: 'heading' }, h('h1', {}, 'Dead letters'), h('div', { class: 'actions' },
        mayManage && button(`Replay all …`, () => bulk(context, { action: 'replay', queue: state.queue }), { id: 'replay-all', disabled: !state.letters?.length }),
        mayManage && button(`Delete all …`, () => bulk(context, { action: 'delete', queue: state.queue, states: ['DEAD'] }), { kind: 'danger', id: 'delete-all', disabled: !state.letters?.length }))),
      h('div', { class: 'bar' }, h('div', { class: 'grow' }, h('input', {
        type: 'search', 'data-search': true, value: state.queue, placeholder: 'All queues; type the name of one   ( / )', 'aria-label': 'queue of the dead letters', list: 'dead-queues', spellcheck: 'false',
        onchange: (event) => {
          Object.assign(state, { queue: event.target.value.trim(), shape: null });
          context.put({ queue: state.queue });
          again();
        },
      }), h('datalist', { id: 'dead-queues' }, pulse.queues.filter((queue) => queue.counts.DEAD).map((queue) => h('option', { key: queue.name, value: queue.name }))))),
      state.letters ? list({ ...context, reload: again }, state, mayManage) : loading(),
    ],
  };
}

function list(context, state, mayManage) {
  const { groups, letters, picked } = state;
  if (!groups.examined && !letters.length && !state.next) return empty('No dead letters', 'A job is put here when its attempts are spent, or when its worker says that another would not help. It stays until it is replayed or deleted.');
  const shown = letters.slice(0, 400);
  const ids = [...picked];
  const choose = (group) => { state.shape = group; context.reload(); };
  return [
    h('section', { key: 'shapes', 'aria-label': 'errors by shape' },
      h('div', { class: 'heading' }, h('h2', {}, 'What they died of'), h('span', { class: 'hint' },
        groups.next_cursor ? `of the newest ${count(groups.examined)}` : plural(groups.examined, 'dead letter'), groups.groups > groups.items.length && `, ${groups.items.length} of ${count(groups.groups)} shapes`)),
      table('errors by shape', [
        { name: 'Error', kind: 'wide grow', of: (group) => h('button', { type: 'button', class: 'sort error', 'aria-pressed': String(state.shape?.shape === group.shape), onclick: () => choose(state.shape?.shape === group.shape ? null : group) }, group.error || '(no text)') },
        { name: 'How many', kind: 'number', of: (group) => count(group.count) },
        { name: 'Queues', of: (group) => group.queues.slice(0, 3).join(', ') + (group.queues.length > 3 ? ' …' : '') },
        { name: 'First', kind: 'tight', of: (group) => when(group.first_dead_at) },
        { name: 'Last', kind: 'tight', of: (group) => when(group.last_dead_at) },
        mayManage && { name: 'Actions', kind: 'tight', of: (group) => button(`Replay ${count(Math.min(group.count, MOST))}`, () => replayGroup(context, state, group)) },
      ].filter(Boolean), groups.items, { keyOf: (group) => group.shape, mark: (group) => (group.shape === state.shape?.shape ? 'selected' : '') }),
      state.error && failure(state.error)),
    h('section', { key: 'letters', 'aria-label': 'letters' },
      h('div', { class: `bar ${ids.length ? 'selected' : ''}` }, ids.length ? [
        h('span', {}, `${count(ids.length)} selected`), button(`Replay ${ids.length}`, () => replay(context, ids), { id: 'replay-selected' }),
        button(`Delete ${ids.length}`, () => each(context, { title: 'Delete dead letters', text: `${plural(ids.length, 'dead letter')} will be gone, with payload and history.`, action: `Delete ${ids.length}`, isDangerous: true, ids, run: (id) => api.delete(path`/dlq/${id}`) }), { kind: 'danger', id: 'delete-selected' }),
        button('Clear', () => { picked.clear(); context.redraw(); }, { kind: 'quiet' }),
      ] : state.shape ? [h('span', {}, `only “${state.shape.error.slice(0, 80)}”`), button('Show all', () => choose(null), { kind: 'quiet' })] : h('span', { class: 'hint' }, 'the newest first')),
      table('dead letters', [
        mayManage && pickColumn(context, picked, shown),
        { name: 'Job', kind: 'tight', of: (letter) => jobLink(letter.job_id) },
        { name: 'Queue', kind: 'name', of: (letter) => queueLink(letter.queue) },
        { name: 'Type', kind: 'name', of: (letter) => letter.type },
        { name: 'Error', kind: 'wide grow', of: (letter) => h('span', { class: 'error' }, letter.last_error) },
        { name: 'Why', kind: 'tight', of: (letter) => REASONS[letter.reason] ?? letter.reason },
        { name: 'Attempts', kind: 'number', of: (letter) => count(letter.attempts) },
        { name: 'Died', kind: 'tight', of: (letter) => when(letter.dead_at ?? letter.created_at) },
      ].filter(Boolean), shown, { keyOf: (letter) => letter.job_id }),
      state.next && h('nav', { class: 'pager', 'aria-label': 'more' }, h('span', {}, `${count(letters.length)} loaded`), button('Load older ones', async () => {
        const page = await api.get('/dlq' + query({ queue: state.queue, shape: state.shape?.shape, limit: SIZE, cursor: state.next }));
        Object.assign(state, { letters: [...letters, ...page.items], next: page.next_cursor, more: true });
        context.redraw();
      }, { disabled: letters.length >= MOST }))),
  ];
}

/** Looks the letters of a shape up, then asks. */
async function replayGroup(context, state, group) {
  const ids = [];
  state.error = null;
  try {
    for (let cursor = null; ids.length < MOST;) {
      const page = await api.get('/dlq' + query({ queue: state.queue, shape: group.shape, limit: SIZE, cursor }));
      ids.push(...page.items.map((letter) => letter.job_id));
      cursor = page.next_cursor;
      if (!cursor) break;
    }
    replay(context, ids.slice(0, MOST));
  } catch (error) {
    state.error = error;
    context.redraw();
  }
}

function replay(context, ids) {
  each(context, { title: 'Replay dead letters', text: `${plural(ids.length, 'job')} will be READY; their attempts begin anew, their history stays.`, action: `Replay ${ids.length}`, ids, run: (id) => api.post(path`/dlq/${id}/replay`) });
}
