// Dead letters: what died of what. Errors of one shape stand together, over the letters that were loaded.

import { api, path, query } from './api.js';
import { bulk, each } from './bulk.js';
import { h } from './dom.js';
import { count, errorShape, plural } from './format.js';
import { pulse } from './pulse.js';
import { button, empty, jobLink, loading, queueLink, table, when } from './ui.js';

const SIZE = 200;
const REASONS = { attempts_exhausted: 'attempts spent', permanent_failure: 'not to be retried' };

export function open(context) {
  const state = { queue: context.query.get('queue') ?? '', letters: null, next: null, picked: new Set(), shape: null, more: false };
  const mayManage = context.mayChange('queues:manage');
  return {
    title: 'Dead letters', every: 10_000,
    async load() {
      // Rows do not move under a selection, nor go when more were asked for.
      if (state.letters && (state.more || state.picked.size)) return;
      const page = await api.get('/dlq' + query({ queue: state.queue, limit: SIZE }));
      Object.assign(state, { letters: page.items, next: page.next_cursor });
      if (state.shape && !page.items.some((letter) => shapeOf(letter) === state.shape)) state.shape = null;
    },
    view: () => [
      h('div', { class: 'heading' }, h('h1', {}, 'Dead letters'), h('div', { class: 'actions' },
        mayManage && button(`Replay all …`, () => bulk(context, { action: 'replay', queue: state.queue }), { id: 'replay-all', disabled: !state.letters?.length }),
        mayManage && button(`Delete all …`, () => bulk(context, { action: 'delete', queue: state.queue, states: ['DEAD'] }), { kind: 'danger', id: 'delete-all', disabled: !state.letters?.length }))),
      h('div', { class: 'bar' }, h('div', { class: 'grow' }, h('input', {
        type: 'search', 'data-search': true, value: state.queue, placeholder: 'All queues; type the name of one   ( / )', 'aria-label': 'queue of the dead letters', list: 'dead-queues', spellcheck: 'false',
        onchange: (event) => {
          Object.assign(state, { queue: event.target.value.trim(), shape: null, more: false, letters: null });
          state.picked.clear();
          context.put({ queue: state.queue });
          context.reload();
        },
      }), h('datalist', { id: 'dead-queues' }, pulse.queues.filter((queue) => queue.counts.DEAD).map((queue) => h('option', { key: queue.name, value: queue.name }))))),
      state.letters ? list(context, state, mayManage) : loading(),
    ],
  };
}

function shapeOf(letter) { return errorShape(letter.last_error); }

function list(outer, state, mayManage) {
  const { letters, picked } = state;
  const context = { ...outer, reload: () => { picked.clear(); state.more = false; outer.reload(); } };
  if (!letters.length) return empty('No dead letters', 'A job is put here when its attempts are spent, or when its worker says that another would not help. It stays until it is replayed or deleted.');
  const groups = new Map();
  for (const letter of letters) {
    const shape = shapeOf(letter);
    const group = groups.get(shape) ?? { shape, letters: [], queues: new Set() };
    group.letters.push(letter);
    group.queues.add(letter.queue);
    groups.set(shape, group);
  }
  const sorted = [...groups.values()].sort((a, b) => b.letters.length - a.letters.length);
  const shown = (state.shape ? groups.get(state.shape)?.letters ?? [] : letters).slice(0, 400);
  const time = (letter) => letter.dead_at ?? letter.created_at;
  const ids = [...picked];
  const everyone = h('input', {
    type: 'checkbox', 'aria-label': 'select all that are shown', checked: shown.length > 0 && shown.every((letter) => picked.has(letter.job_id)),
    onchange: (event) => { shown.forEach((letter) => (event.target.checked ? picked.add(letter.job_id) : picked.delete(letter.job_id))); context.redraw(); },
  });
  return [
    h('section', { key: 'shapes', 'aria-label': 'errors by shape' },
      h('div', { class: 'heading' }, h('h2', {}, 'What they died of'), h('span', { class: 'hint' }, state.next ? `of the newest ${count(letters.length)}` : plural(letters.length, 'dead letter'))),
      table('errors by shape', [
        { name: 'Error', kind: 'wide grow', of: (group) => h('button', { type: 'button', class: 'sort error', 'aria-pressed': String(state.shape === group.shape), onclick: () => { state.shape = state.shape === group.shape ? null : group.shape; picked.clear(); context.redraw(); } }, group.shape) },
        { name: 'How many', kind: 'number', of: (group) => count(group.letters.length) },
        { name: 'Queues', of: (group) => [...group.queues].slice(0, 3).join(', ') + (group.queues.size > 3 ? ' …' : '') },
        { name: 'First', kind: 'tight', of: (group) => when(time(group.letters.at(-1))) },
        { name: 'Last', kind: 'tight', of: (group) => when(time(group.letters[0])) },
        mayManage && { name: 'Actions', kind: 'tight', of: (group) => button(`Replay ${count(group.letters.length)}`, () => replay(context, group.letters.map((letter) => letter.job_id))) },
      ].filter(Boolean), sorted.slice(0, 20), { keyOf: (group) => group.shape, mark: (group) => (group.shape === state.shape ? 'selected' : '') })),
    h('section', { key: 'letters', 'aria-label': 'letters' },
      h('div', { class: `bar ${ids.length ? 'selected' : ''}` }, ids.length ? [
        h('span', {}, `${count(ids.length)} selected`), button(`Replay ${ids.length}`, () => replay(context, ids), { id: 'replay-selected' }),
        button(`Delete ${ids.length}`, () => each(context, { title: 'Delete dead letters', text: `${plural(ids.length, 'dead letter')} will be gone, with payload and history.`, action: `Delete ${ids.length}`, isDangerous: true, ids, run: (id) => api.delete(path`/dlq/${id}`) }), { kind: 'danger', id: 'delete-selected' }),
        button('Clear', () => { picked.clear(); context.redraw(); }, { kind: 'quiet' }),
      ] : state.shape ? [h('span', {}, `only “${state.shape.slice(0, 80)}”`), button('Show all', () => { state.shape = null; context.redraw(); }, { kind: 'quiet' })] : h('span', { class: 'hint' }, 'the newest first')),
      table('dead letters', [
        mayManage && { name: 'Select', head: everyone, kind: 'pick', of: (letter) => h('input', { type: 'checkbox', 'aria-label': `select job ${letter.job_id}`, checked: picked.has(letter.job_id), onchange: (event) => { event.target.checked ? picked.add(letter.job_id) : picked.delete(letter.job_id); context.redraw(); } }) },
        { name: 'Job', kind: 'tight', of: (letter) => jobLink(letter.job_id) },
        { name: 'Queue', kind: 'name', of: (letter) => queueLink(letter.queue) },
        { name: 'Type', kind: 'name', of: (letter) => letter.type },
        { name: 'Error', kind: 'wide grow', of: (letter) => h('span', { class: 'error' }, letter.last_error) },
        { name: 'Why', kind: 'tight', of: (letter) => REASONS[letter.reason] ?? letter.reason },
        { name: 'Attempts', kind: 'number', of: (letter) => count(letter.attempts) },
        { name: 'Died', kind: 'tight', of: (letter) => when(time(letter)) },
      ].filter(Boolean), shown, { keyOf: (letter) => letter.job_id }),
      state.next && h('nav', { class: 'pager', 'aria-label': 'more' }, h('span', {}, `${count(letters.length)} loaded`), button('Load older ones', async () => {
        const page = await api.get('/dlq' + query({ queue: state.queue, limit: SIZE, cursor: state.next }));
        Object.assign(state, { letters: [...letters, ...page.items], next: page.next_cursor, more: true });
        context.redraw();
      }, { disabled: letters.length >= 2_000 }))),
  ];
}

function replay(context, ids) {
  each(context, { title: 'Replay dead letters', text: `${plural(ids.length, 'job')} will be READY; their attempts begin anew, their history stays.`, action: `Replay ${ids.length}`, ids, run: (id) => api.post(path`/dlq/${id}/replay`) });
}
