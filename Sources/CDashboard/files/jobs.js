// Jobs by a line that one types: `queue:email state:DEAD`. The daemon finds them by index and pages by cursor, so a page
// costs the same among ten jobs and ten million.

import { api, path, query } from './api.js';
import { ACTIONS, bulk, each } from './bulk.js';
import { h } from './dom.js';
import { count, plural, short } from './format.js';
import { pulse } from './pulse.js';
import { badge, button, empty, heading, jobLink, loading, pager, pickColumn, queueLink, table, when } from './ui.js';

export const STATES = ['READY', 'RUNNING', 'SCHEDULED', 'RETRY', 'ACKED', 'DEAD', 'CANCELLED'];
const MEANING = {
  READY: 'waits for a worker', RUNNING: 'a worker holds it', SCHEDULED: 'waits for its time', RETRY: 'failed, waits for the next attempt',
  ACKED: 'done', DEAD: 'its attempts are spent', CANCELLED: 'cancelled',
};
const SIZE = 50;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What a line says: `{queue, state, id}`, or what is wrong with it. */
export function parse(line) {
  const filter = { queue: null, state: null, id: null, problem: null };
  for (const word of line.split(/\s+/).filter(Boolean)) {
    const [, name, value] = /^([a-z_]+):(.*)$/i.exec(word) ?? [];
    if (ID.test(word)) filter.id = word;
    else if (name === 'queue' && value) filter.queue = value;
    else if (name === 'state' && STATES.includes(value.toUpperCase())) filter.state = value.toUpperCase();
    else if (name === 'state') filter.problem = `There is no state “${value}”: ${STATES.join(', ')}.`;
    else if (name === 'queue') filter.problem = 'Which queue? queue:email';
    else if (['type', 'older', 'owner', 'group', 'tag', 'error'].includes(name)) filter.problem = `Lists are filtered by queue: and state: only; cancel, delete and replay also take a type and an age.`;
    else filter.problem = `“${word}” is no filter: queue:email, state:DEAD, or the id of a job.`;
  }
  return filter;
}

export function open(context) {
  const state = { line: context.query.get('q') ?? '', filter: null, page: null, cursors: [null], picked: new Set(), suggestions: [], at: -1, isOpen: false };
  state.filter = parse(state.line);
  const search = () => {
    state.filter = parse(state.line);
    if (state.filter.id) { location.hash = `#/jobs/${encodeURIComponent(state.filter.id)}`; return; }
    Object.assign(state, { cursors: [null], isOpen: false });
    state.picked.clear();
    context.put({ q: state.line.trim() });
    context.reload();
  };
  return {
    title: 'Jobs', every: 5_000,
    async load() {
      // Rows do not move under a selection.
      if (state.filter.problem || (state.picked.size && state.page)) return;
      const { queue, state: one } = state.filter;
      // How many there are in each state: of one queue, else of all that the sums know.
      state.counts = queue ? (await api.get(path`/queues/${queue}`).catch(() => null))?.counts : pulse.stats?.counts;
      state.page = await api.get('/jobs' + query({ queue, state: one, limit: SIZE, cursor: state.cursors.at(-1) }));
    },
    view: () => [
      heading('Jobs', 'newest first'),
      h('div', { class: 'bar' }, filterLine(context, state, search),
        h('div', { class: 'actions', role: 'group', 'aria-label': 'state' }, STATES.map((one) => button([one.toLowerCase(), h('small', {}, ` ${state.counts ? short(state.counts[one]) : ''}`)], () => {
          state.line = [state.filter.queue && `queue:${state.filter.queue}`, state.filter.state !== one && `state:${one}`].filter(Boolean).join(' ');
          search();
        }, { kind: 'quiet', pressed: state.filter.state === one, title: MEANING[one] })))),
      state.filter.problem ? h('p', { class: 'callout', role: 'alert' }, state.filter.problem) : list(context, state),
    ],
  };
}

// MARK: The filter line

function filterLine(context, state, search) {
  const draw = context.redraw;
  const suggest = async (input) => {
    state.line = input.value;
    const word = input.value.slice(0, input.selectionStart).split(/\s/).at(-1);
    const [name, value] = word.includes(':') ? word.split(/:(.*)/s) : [null, word];
    let found = [];
    if (name === 'state') {
      found = STATES.filter((one) => one.startsWith(value.toUpperCase())).map((one) => ({ text: `state:${one}`, note: MEANING[one] }));
    } else if (name === 'queue') {
      const asked = input.value;
      const page = await api.get('/queues' + query({ match: value, sort: 'waiting', limit: 8 })).catch(() => ({ items: [] }));
      // Someone typed on.
      if (state.line !== asked) return;
      found = page.items.map((queue) => ({ text: `queue:${queue.name}`, note: plural(queue.counts.READY, 'ready', 'ready') }));
    } else if (!name) {
      found = [{ text: 'queue:', note: 'one queue' }, { text: 'state:', note: 'one state' }].filter((one) => one.text.startsWith(word));
    }
    Object.assign(state, { suggestions: found, at: -1, isOpen: found.length > 0 });
    draw();
  };
  const take = (suggestion) => {
    const input = document.getElementById('filter');
    const before = input.value.slice(0, input.selectionStart).replace(/\S*$/, '');
    const isWhole = !suggestion.text.endsWith(':');
    input.value = state.line = before + suggestion.text + (isWhole ? ' ' : '') + input.value.slice(input.selectionStart).trimStart();
    input.focus();
    if (isWhole) search();
    else suggest(input);
  };
  const keys = (event) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (!state.isOpen) return;
      event.preventDefault();
      const all = state.suggestions.length;
      state.at = (state.at + (event.key === 'ArrowDown' ? 1 : all + (state.at < 0 ? 0 : -1))) % all;
      draw();
    } else if (event.key === 'Tab' && state.isOpen && state.suggestions.length && event.target.value.trim()) {
      event.preventDefault();
      take(state.suggestions[Math.max(0, state.at)]);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (state.isOpen && state.at >= 0) take(state.suggestions[state.at]);
      else { state.line = event.target.value; search(); }
    } else if (event.key === 'Escape' && state.isOpen) {
      event.stopPropagation();
      state.isOpen = false;
      draw();
    }
  };
  return h('div', { class: 'grow combo' },
    h('input', {
      id: 'filter', 'data-search': true, value: state.line, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', placeholder: 'queue:email state:DEAD, or the id of a job   ( / )',
      role: 'combobox', 'aria-label': 'filter jobs', 'aria-expanded': String(state.isOpen), 'aria-controls': 'suggestions', 'aria-autocomplete': 'list',
      'aria-activedescendant': state.isOpen && state.at >= 0 ? `suggestion-${state.at}` : null,
      oninput: (event) => suggest(event.target), onfocus: (event) => suggest(event.target), onkeydown: keys,
      onblur: () => setTimeout(() => { state.isOpen = false; draw(); }, 150),
    }),
    h('ul', { class: 'options', id: 'suggestions', role: 'listbox', 'aria-label': 'completions', hidden: !state.isOpen }, state.suggestions.map((one, place) =>
      h('li', { id: `suggestion-${place}`, role: 'option', 'aria-selected': String(place === state.at), onmousedown: (event) => { event.preventDefault(); take(one); } }, one.text, h('small', {}, one.note)))));
}

// MARK: The list

function list(context, state) {
  const { page, filter, picked } = state;
  if (!page) return loading();
  const { queue, state: one } = filter;
  const mayCancel = context.mayChange('jobs:cancel');
  const matching = context.mayChange('queues:manage') && Object.entries(ACTIONS).filter(([, action]) => !one || action.states.includes(one)).map(([name, action]) =>
    button(`${action.verb} …`, () => bulk(context, { action: name, queue, states: one ? [one] : [] }), { id: `all-${name}` }));
  if (!page.items.length && state.cursors.length === 1 && !page.next_cursor) {
    return queue || one ? empty('No such job', `None is ${one ? `${one} (${MEANING[one]})` : 'there'}${queue ? ` in ${queue}` : ''}.`)
      : empty('No jobs', 'Submit one:', `curl -H "Authorization: Bearer $KEY" ${location.origin}/jobs -d '{"queue": "email", "payload": 1}'`);
  }
  return [
    h('div', { class: `bar ${picked.size ? 'selected' : ''}`, key: 'bar' }, picked.size ? selection(context, state) 
      : matching ? [h('span', { class: 'hint' }, 'All that match:'), matching] : h('span', { class: 'hint' }, plural(page.items.length, 'job') + ' on this page')),
    page.items.length ? table('jobs', [
      mayCancel && pickColumn(context, picked, page.items),
      { name: 'Job', kind: 'tight', of: (job) => jobLink(job.job_id) },
      { name: 'State', kind: 'tight', of: (job) => badge(job.state) },
      { name: 'Queue', kind: 'name', of: (job) => [queueLink(job.queue), job.group && h('small', {}, ` ${job.group}`)] },
      { name: 'Type', kind: 'name', of: (job) => job.type },
      { name: 'What', kind: 'wide grow', of: (job) => h('span', { class: 'error' }, told(job)) },
      { name: 'Attempts', kind: 'number', of: (job) => `${count(job.attempts)}${job.max_retries === 'unlimited' ? '' : ` of ${count(job.max_retries + 1)}`}` },
      { name: 'Submitted', kind: 'tight', of: (job) => when(job.created_at) },
    ].filter(Boolean), page.items, { keyOf: (job) => job.job_id }) : h('p', { class: 'callout info' }, 'Nothing on this page: the daemon looked at 10,000 jobs for it. The list goes on.'),
    pager({
      hasBefore: state.cursors.length > 1, next: page.next_cursor, label: `page ${state.cursors.length}`,
      onBefore: () => { state.cursors.pop(); picked.clear(); context.reload(); }, onNext: () => { state.cursors.push(page.next_cursor); picked.clear(); context.reload(); },
    }),
  ];
}

/** The one thing to know of a job in its state. */
function told(job) {
  if (job.state === 'RUNNING') return [job.worker_id ? `at ${job.worker_id} ` : 'running ', when(job.started_at), job.cancel_requested && ', to be cancelled'];
  if (job.state === 'SCHEDULED') return ['runs ', when(job.run_at)];
  if (job.state === 'RETRY') return ['again ', when(job.run_at), job.result_error && `: ${job.result_error}`];
  if (job.state === 'CANCELLED') return job.cancel_reason ?? '';
  if (job.state === 'ACKED') return ['done ', when(job.finished_at), job.worker_id && ` by ${job.worker_id}`];
  return job.result_error ?? '';
}

function selection(outer, state) {
  const context = { ...outer, reload: () => { state.picked.clear(); outer.reload(); } };
  const ids = [...state.picked];
  const of = (states) => state.page.items.filter((job) => state.picked.has(job.job_id) && states.includes(job.state)).map((job) => job.job_id);
  const [waiting, again, ended] = [of(['READY', 'RUNNING', 'SCHEDULED', 'RETRY']), of(['DEAD', 'CANCELLED', 'SCHEDULED', 'RETRY']), of(['ACKED', 'DEAD', 'CANCELLED'])];
  return [
    h('span', {}, `${count(ids.length)} selected`),
    button(`Cancel ${waiting.length || ''}`, () => each(context, { title: 'Cancel jobs', text: `${plural(waiting.length, 'job')} will be cancelled. One that runs is marked: its worker hears of it at its next sign of life.`, action: `Cancel ${waiting.length}`, isDangerous: true, ids: waiting, run: (id) => api.post(path`/jobs/${id}/cancel`, { reason: 'from the dashboard' }) }), { disabled: !waiting.length, id: 'cancel-selected' }),
    button(`Run now ${again.length || ''}`, () => each(context, { title: 'Run jobs now', text: `${plural(again.length, 'job')} will be READY at once; of those that are dead or cancelled the attempts begin anew.`, action: `Run ${again.length} now`, ids: again, run: (id) => api.post(path`/jobs/${id}/retry`) }), { disabled: !again.length, id: 'retry-selected' }),
    button(`Delete ${ended.length || ''}`, () => each(context, { title: 'Delete jobs', text: `${plural(ended.length, 'job')} will be gone, with payload, result and history.`, action: `Delete ${ended.length}`, isDangerous: true, ids: ended, run: (id) => api.delete(path`/jobs/${id}`) }), { disabled: !ended.length, id: 'delete-selected' }),
    button('Clear', () => { state.picked.clear(); context.redraw(); }, { kind: 'quiet' }),
  ];
}
