// Many jobs at once: what matches is counted before (a dry run of the same request), and how far it is shown after.

import { api, path } from './api.js';
import { h } from './dom.js';
import { count, ENDED, plural, WAITING } from './format.js';
import { ask, badge, button, dialog, failure, field, toast } from './ui.js';

export const ACTIONS = {
  cancel: { verb: 'Cancel', done: 'cancelled', states: WAITING, of: 'jobs that wait' },
  delete: { verb: 'Delete', done: 'deleted', states: ENDED, of: 'jobs that ended' },
  replay: { verb: 'Replay', done: 'replayed', states: ['DEAD'], of: 'dead letters' },
};

/** What was counted before an operation began, by its id: the API tells how far it is, not of how many. */
const expected = new Map();

/**
 * Asks for an operation on all jobs that match.
 *
 * wish: {action, queue?, states?}; `purge` and `deleteQueue` are of a queue.
 */
export function bulk(context, wish) {
  const form = { queue: wish.queue ?? '', states: new Set(wish.states ?? []), type: '', older: '', limit: '' };
  const state = { count: null, error: null, isBusy: false, operation: null };
  const isPurge = wish.action === 'purge';
  const action = ACTIONS[wish.action] ?? { verb: 'Purge', states: [...WAITING, ...ENDED], of: 'jobs' };
  const body = (isDry) => {
    const states = action.states.filter((one) => form.states.has(one));
    const fields = { dry_run: isDry || undefined, type: form.type || undefined, older_than: form.older || undefined };
    if (states.length && states.length < action.states.length) fields.states = states;
    if (!isPurge) Object.assign(fields, { action: wish.action, queue: form.queue || undefined, limit: Number(form.limit) || undefined });
    return fields;
  };
  const target = isPurge ? path`/queues/${form.queue}/purge` : '/operations';
  const where = form.queue ? `in ${form.queue}` : 'in all queues';
  dialog(`${action.verb} ${action.of} ${where}`, ({ redraw, close }) => {
    const attempt = async (work) => {
      [state.isBusy, state.error] = [true, null];
      redraw();
      try { await work(); } catch (error) { state.error = error; }
      state.isBusy = false;
      redraw();
    };
    const recount = () => attempt(async () => { state.count = await api.post(target, body(true)); });
    const change = () => { state.count = null; redraw(); };
    const begin = () => attempt(async () => {
      const matches = state.count.matches;
      state.operation = await api.post(target, body(false));
      expected.set(state.operation.operation_id, matches);
      follow(state, redraw, context);
    });
    if (state.operation) return progress(state, close);
    const input = (name, label, hint, placeholder) => field(label, h('input', {
      placeholder, spellcheck: 'false', 'data-field': name, oninput: (event) => { form[name] = event.target.value.trim(); change(); },
    }), hint);
    return [
      h('div', { class: 'body' },
        action.states.length > 1 && h('fieldset', { class: 'group' }, h('legend', {}, 'States'), h('div', { class: 'tags' },
          action.states.map((one) => h('label', { class: 'actions' }, h('input', { type: 'checkbox', checked: !form.states.size || form.states.has(one), onchange: (event) => {
            if (!form.states.size) action.states.forEach((name) => form.states.add(name));
            event.target.checked ? form.states.add(one) : form.states.delete(one);
            change();
          } }), badge(one))))),
        h('div', { class: 'settings' },
          input('type', 'Only of this type', null, 'email.send'),
          input('older', 'Submitted longer ago than', null, '1h'),
          !isPurge && input('limit', 'At most', 'the newest first', 'all')),
        state.error && failure(state.error),
        state.count ? h('div', { class: 'callout', role: 'status' }, state.count.matches ? `${plural(state.count.matches, 'job')} will be ${isPurge ? 'cancelled or deleted' : action.done}.` : 'No job matches.',
          state.count.matches > 0 && h('details', {}, h('summary', {}, 'the first ten'), h('ul', {}, state.count.first.map((id) => h('li', { class: 'id' }, id)))))
          : h('p', { class: 'hint' }, wish.action === 'replay' ? 'Their attempts begin anew; each is replayed once, also if it dies again. What is counted is what will be done.' : 'What is RUNNING is not touched. Count first: nothing is changed by that.')),
      h('footer', {}, button('Cancel', close),
        state.count ? h('button', { type: 'submit', id: 'begin', class: `button ${wish.action === 'replay' ? 'primary' : 'danger'}`, disabled: state.isBusy || !state.count.matches, onclick: begin }, `${action.verb} ${count(state.count.matches)}`)
          : h('button', { type: 'submit', id: 'count', class: 'button primary', disabled: state.isBusy, onclick: recount }, state.isBusy ? 'Counting …' : 'Count what matches')),
    ];
  });
}

/** Deletes a queue, with what it holds if that is wanted. */
export function deleteQueue(context, queue, holdsJobs) {
  ask({
    title: `Delete the queue ${queue}`, action: 'Delete the queue', isDangerous: true,
    text: holdsJobs ? 'Its jobs that wait are cancelled, those that ended are deleted, and its settings, pause and totals go with it. What is RUNNING is waited for; until then it takes no jobs.' : 'Its settings, pause and totals go with it.',
    async run() {
      await api.delete(path`/queues/${queue}` + (holdsJobs ? '?purge=true' : ''));
      location.hash = context.mayChange('queues:manage') ? '#/operations' : '#/queues';
      return `${queue} is being deleted.`;
    },
  });
}

async function follow(state, redraw, context) {
  while (document.getElementById('dialog').open && ['running', 'waiting'].includes(state.operation.state)) {
    await new Promise((resolve) => { setTimeout(resolve, 400); });
    try {
      state.operation = await api.get(path`/operations/${state.operation.operation_id}`);
    } catch (error) {
      state.error = error;
      if (!error.isUnreachable) break;
    }
    if (document.getElementById('dialog').open) redraw();
  }
  redraw();
  context.reload();
}

function progress(state, close) {
  const { operation } = state;
  return [
    h('div', { class: 'body', id: 'operation-progress' }, operationBar(operation), state.error && failure(state.error),
      h('p', { class: 'hint' }, operation.state === 'done' ? 'Done.' : 'It goes on in the background, also when you close this, and across restarts of the daemon.')),
    h('footer', {}, ['running', 'waiting'].includes(operation.state) && button('Stop it', () => stop(operation)), button('Close', close, { kind: 'primary', id: 'close' })),
  ];
}

export async function stop(operation, after) {
  try {
    await api.delete(path`/operations/${operation.operation_id}`);
    toast('Stopped: what was done stays done.');
    after?.();
  } catch (error) { toast(error.message, 'bad'); }
}

/** How far an operation is, as a bar where it is known of how many. */
export function operationBar(operation) {
  const all = expected.get(operation.operation_id);
  // A purge cancels, and deletes: two changes a job are possible.
  const part = operation.state === 'done' ? 1 : all ? Math.min(1, operation.done / all) : null;
  return [
    h('div', { class: 'titles' }, badge(operation.state), h('span', {}, `${plural(operation.done, 'change')}${all ? `; ${plural(all, 'job')} matched` : ''}`)),
    part !== null && h('span', { class: 'progress', role: 'progressbar', 'aria-label': 'progress', 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': Math.round(part * 100) },
      h('span', { css: { width: `${(part * 100).toFixed(1)}%` } })),
  ];
}

/**
 * Does the same to each of some jobs, a few at a time, and says what came of it.
 *
 * run: (id) => Promise
 */
export function each(context, { title, text, action, isDangerous, ids, run }) {
  const state = { done: 0, refused: [], isRunning: false, isOver: false };
  dialog(title, ({ redraw, close }) => {
    const go = async () => {
      state.isRunning = true;
      redraw();
      const left = [...ids];
      const work = async () => {
        for (let id = left.pop(); id; id = left.pop()) {
          try { await run(id); } catch (error) { state.refused.push([id, error]); }
          state.done += 1;
          redraw();
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      state.isOver = true;
      redraw();
      context.reload();
    };
    return [
      h('div', { class: 'body' },
        !state.isRunning && h('p', {}, text),
        state.isRunning && h('p', { role: 'status' }, `${count(state.done - state.refused.length)} of ${count(ids.length)} done${state.refused.length ? `, ${count(state.refused.length)} refused` : ''}.`),
        state.isRunning && h('span', { class: 'progress', role: 'progressbar', 'aria-label': 'progress', 'aria-valuemin': 0, 'aria-valuemax': ids.length, 'aria-valuenow': state.done }, h('span', { css: { width: `${(100 * state.done) / ids.length}%` } })),
        state.refused.slice(0, 5).map(([id, error]) => h('p', { class: 'bad' }, h('span', { class: 'id' }, id), ': ', error.message))),
      h('footer', {}, state.isOver ? button('Close', close, { kind: 'primary', id: 'close' }) : [button('Cancel', close),
        h('button', { type: 'submit', id: 'confirm', class: `button ${isDangerous ? 'danger' : 'primary'}`, disabled: state.isRunning, onclick: go, autofocus: true }, action)]),
    ];
  });
}
