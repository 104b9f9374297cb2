// The settings of a queue with what each means beside it. A field that is emptied goes back to the daemon's default.

import { api, path } from './api.js';
import { h } from './dom.js';
import { button, failure, toast } from './ui.js';

const TEXT = { read: (text) => text, show: (value) => String(value) };
const NUMBER = { read: (text) => (/^-?\d+$/.test(text) ? Number(text) : text), show: (value) => String(value) };
const RATE = {
  read(text) {
    const found = /^(\d+)\s*\/\s*([^/\s]+)(?:\s*\/\s*(\d+))?$/.exec(text);
    if (!found) throw new Error('A rate is written as 100/1m, or 100/1m/10 with a burst.');
    return { limit: Number(found[1]), per: found[2], ...(found[3] ? { burst: Number(found[3]) } : {}) };
  },
  show: (rate) => `${rate.limit}/${rate.per}${rate.burst > 1 ? `/${rate.burst}` : ''}`,
};
const TAKER = {
  read(text) {
    const [queue, after] = text.split('/');
    return { queue, ...(after ? { after: NUMBER.read(after) } : {}) };
  },
  show: (taker) => taker.queue + (taker.after ? `/${taker.after}` : ''),
};
const JSON_TEXT = {
  read(text) { try { return JSON.parse(text); } catch { throw new Error('retry is JSON: {"initial": "2s", "factor": 2, "max": "60s"}'); } },
  show: (value) => JSON.stringify(value),
};
const YES = { choices: ['true'], read: (text) => text === 'true', show: (value) => String(value) };
const choice = (...choices) => ({ choices, read: (text) => text, show: (value) => String(value) });

/** [name, kind, meaning, placeholder]; `groups.` before those of each group. */
const SETTINGS = [
  ['concurrency', NUMBER, 'The most jobs that may be RUNNING.', 'no limit'],
  ['rate', RATE, 'The most leases in a time; with a burst behind it.', '100/1m/10'],
  ['max_length', NUMBER, 'The most jobs that may wait.', 'no limit'],
  ['max_bytes', NUMBER, 'The most bytes they may take in the log.', 'no limit'],
  ['on_full', choice('reject', 'drop_oldest'), 'Beyond these a submit is refused, or the oldest READY job of the lowest priority is cancelled for it.'],
  ['max_retries', NUMBER, 'Retries of jobs that do not say; a number or “unlimited”. Jobs that exist keep theirs.', 'the daemon’s'],
  ['retry', JSON_TEXT, 'Pauses between attempts of jobs that do not say.', '{"initial": "2s", "factor": 2, "max": "60s"}'],
  ['priority', NUMBER, 'Of jobs that do not say: −128 to 127, or low, medium, high, critical.', '0'],
  ['delay', TEXT, 'Of jobs that say neither delay nor run_at.', '0s'],
  ['lease', TEXT, 'How long a worker may go without a sign of life, when neither it nor the job says.', 'the daemon’s'],
  ['timeout', TEXT, 'How long an attempt of jobs that do not say may run, however often its lease is extended; 0s: without end.', 'the daemon’s'],
  ['dead_letter', TAKER, 'The queue that takes what failed for good, instead of DEAD; failed/5: after 5 attempts.', 'queue/attempts'],
  ['retention', TEXT, 'How long finished jobs that do not say are kept.', 'the daemon’s'],
  ['max_age', TEXT, 'A job that is READY for longer leaves, CANCELLED.', 'never'],
  ['dead_retention', TEXT, 'How long dead letters stay.', 'the daemon’s'],
  ['max_dead', NUMBER, 'How many dead letters stay: those that died last.', 'no limit'],
  ['max_payload_bytes', NUMBER, 'The largest payload.', 'the daemon’s'],
  ['aging', TEXT, 'A job counts as one priority higher for each such time that it has been READY.', 'never'],
  ['requeue_expired', YES, 'A job whose lease ended is READY at once, not in RETRY. The attempt is spent all the same.'],
  ['group_scope', choice('queue'), 'Jobs of all owners that say the same group are in one.'],
  ['groups.fair', YES, 'Groups take turns, one lease a turn: nobody waits behind another’s million jobs.'],
  ['groups.concurrency', NUMBER, 'The most jobs of each group that may be RUNNING.', 'no limit'],
  ['groups.rate', RATE, 'The most leases of each group in a time.', '100/1m'],
  ['groups.max_length', NUMBER, 'The most jobs of each group that may wait.', 'no limit'],
  ['groups.priority', choice('inside', 'first'), 'With turns: priorities count inside a group only, or go before turns.'],
  ['groups.ordered', choice('strict', 'per_lease'), 'The jobs of a group run in the order of their submits: one at a time, or several of one lease.'],
];

const valueOf = (settings, name) => name.split('.').reduce((value, part) => value?.[part], settings);

/** The form. What someone changed stays while the page brings itself up to date. */
export function settingsForm(context, queue, state) {
  state.given ??= {};
  const isFixed = !context.mayChange('queues:manage') || !context.mayUse(queue.name);
  const changes = () => Object.entries(state.given);
  const save = async (event) => {
    event.preventDefault();
    state.error = null;
    try {
      const body = {};
      for (const [name, typed] of changes()) {
        const text = typed.trim();
        const kind = SETTINGS.find(([one]) => one === name)[1];
        const value = text === '' ? null : kind.read(text);
        const [first, second] = name.split('.');
        if (second) body[first] = { ...body[first], [second]: value };
        else body[first] = value;
      }
      const saved = await api.patch(path`/queues/${queue.name}`, body);
      state.given = {};
      state.saved(saved);
      toast('Saved.');
    } catch (error) { state.error = error; }
    context.redraw();
  };
  return h('form', { class: 'panel', onsubmit: save, id: 'settings' },
    h('div', { class: 'heading' }, h('h2', {}, 'Settings'), !isFixed && h('div', { class: 'actions' },
      changes().length > 0 && button('Undo', () => { state.given = {}; context.redraw(); }),
      h('button', { type: 'submit', class: 'button primary', id: 'save', disabled: !changes().length }, changes().length ? `Save ${changes().length}` : 'Save'))),
    state.error && failure(state.error),
    h('fieldset', { class: 'settings', disabled: isFixed }, SETTINGS.map(([name, kind, meaning, placeholder]) => {
      const value = valueOf(queue.settings, name);
      const set = value === undefined ? '' : kind.show(value);
      const shown = state.given[name] ?? set;
      const note = (text) => {
        if (text.trim() === set) delete state.given[name];
        else state.given[name] = text;
        context.redraw();
      };
      const label = name.startsWith('groups.') ? `${name.slice(7)} of each group` : name;
      // Made anew when the daemon says something else, so that it shows it.
      return h('label', { key: `${name} ${set}`, class: `field ${name in state.given ? 'changed' : ''}` },
        h('span', { class: 'label' }, label),
        kind.choices
          ? h('select', { name, value: shown, onchange: (event) => note(event.target.value) }, ['', ...kind.choices].map((one) => h('option', { value: one, selected: one === shown }, one || 'default')))
          : h('input', { name, value: shown, placeholder, spellcheck: 'false', autocomplete: 'off', oninput: (event) => note(event.target.value) }),
        h('small', {}, meaning));
    })));
}
