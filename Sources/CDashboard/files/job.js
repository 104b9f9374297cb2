// One job: its life as a time line, and what it carries.

import { api, path } from './api.js';
import { h } from './dom.js';
import { count, duration, ENDED } from './format.js';
import { pretty, rawField } from './json.js';
import { ask, at, badge, button, copyButton, empty, jobLink, loading, queueLink, toast, when } from './ui.js';

const KINDS = { running: 'violet', acked: 'good', failed: 'bad', expired: 'warn', released: 'warn', undelivered: 'warn', cancelled: 'quiet', cancel_requested: 'warn' };
const OUTCOMES = {
  running: 'running', acked: 'done', failed: 'failed', expired: 'its lease ended: the worker gave no sign of life', released: 'handed back by the worker',
  undelivered: 'never reached its worker', cancelled: 'cancelled', cancel_requested: 'cancelling was asked for',
};

export function open(context) {
  const [id] = context.args;
  const state = { job: null, raw: null, history: [], payload: null, missing: false, unread: null };
  return {
    title: `Job ${id.slice(0, 8)}`, every: 3_000,
    async load() {
      try {
        const [raw, history] = await Promise.all([api.text(path`/jobs/${id}`), api.get(path`/jobs/${id}/history`)]);
        Object.assign(state, { raw, job: JSON.parse(raw), history: history.items, missing: false });
      } catch (error) {
        if (error.code !== 'job_not_found') throw error;
        Object.assign(state, { job: null, missing: true });
      }
    },
    view: () => (state.missing ? empty('There is no such job', 'It was deleted, its retention is over, or your key may not see it.') : state.job ? view(context, state) : loading()),
  };
}

function view(context, state) {
  const { job } = state;
  const isEnded = ENDED.includes(job.state);
  const mayCancel = context.mayChange('jobs:cancel');
  const act = async (work, said) => {
    try { await work(); toast(said); } catch (error) { toast(error.message, 'bad'); }
    context.reload();
  };
  const base = path`/jobs/${job.job_id}`;
  return [
    h('div', { class: 'heading', key: 'head' },
      h('div', { class: 'titles' },
        h('a', { class: 'crumb', href: `#/jobs?q=${encodeURIComponent(`queue:${job.queue} state:${job.state}`)}` }, `← ${job.state} in ${job.queue}`),
        h('h1', {}, job.type || 'Job'), badge(job.state), job.cancel_requested && badge('warn', 'cancel asked for'),
        h('span', { class: 'actions' }, h('span', { class: 'id' }, job.job_id), copyButton(job.job_id))),
      h('div', { class: 'actions' },
        mayCancel && ['SCHEDULED', 'RETRY'].includes(job.state) && button('Run now', () => act(() => api.post(`${base}/retry`), 'It is READY.'), { id: 'retry' }),
        mayCancel && job.state === 'BLOCKED' && job.on_dead === 'hold' && button('Let it run', () => act(() => api.post(`${base}/unblock`), 'It waits for no other.'), { id: 'unblock' }),
        mayCancel && ['DEAD', 'CANCELLED'].includes(job.state) && button('Replay', () => act(() => api.post(`${base}/retry`), 'It is READY; its attempts begin anew.'), { kind: 'primary', id: 'replay' }),
        mayCancel && !isEnded && !job.cancel_requested && button('Cancel', () => cancel(context, job, base), { kind: 'danger', id: 'cancel' }),
        mayCancel && isEnded && button('Delete', () => ask({
          title: 'Delete this job', text: 'It is gone then, with payload, result and history.', action: 'Delete', isDangerous: true,
          async run() { await api.delete(base); location.hash = `#/queues/${encodeURIComponent(job.queue)}`; return 'Deleted.'; },
        }), { kind: 'danger', id: 'delete' }))),
    job.state === 'DEAD' && job.result_error && h('div', { class: 'failure', key: 'error' }, h('b', {}, job.result_error)),
    h('div', { class: 'columns', key: 'columns' },
      h('div', {},
        h('section', { class: 'panel', 'aria-label': 'time line' }, h('h2', {}, 'Time line'), timeline(job, state.history)),
        body(context, state)),
      h('div', {}, facts(job))),
  ];
}

function cancel(context, job, base) {
  let reason = '';
  ask({
    title: 'Cancel this job', action: 'Cancel the job', isDangerous: true,
    text: job.state === 'RUNNING' ? 'Its worker hears of it at its next sign of life; if it finishes before, that counts.' : 'It will not run.',
    fields: () => h('label', { class: 'field' }, h('span', { class: 'label' }, 'Reason'), h('input', { id: 'cancel-reason', placeholder: 'not needed any more', oninput: (event) => { reason = event.target.value; } })),
    async run() { await api.post(`${base}/cancel`, { reason: reason.trim() || undefined }); context.reload(); return job.state === 'RUNNING' ? 'Its worker will be told.' : 'Cancelled.'; },
  });
}

// MARK: Time line

function timeline(job, history) {
  const events = [...history].reverse();
  const attempts = events.map((entry, place) => attempt(entry, place));
  const isWaiting = ['SCHEDULED', 'RETRY', 'READY'].includes(job.state);
  const shown = new Set(events.map((entry) => entry.attempt)).size;
  return h('ol', { class: 'timeline', css: { margin: '0' } },
    h('li', { key: 'created', class: 'blue' }, h('div', { class: 'what' }, h('b', {}, 'Submitted'), at(job.created_at)), h('small', {}, `by ${job.owner_id} into ${job.queue}`)),
    job.attempts > shown && h('li', { key: 'cut' }, h('small', {}, `${count(job.attempts - shown)} earlier attempts are not kept.`)),
    attempts,
    job.state === 'BLOCKED' && h('li', { key: 'next' }, h('b', {}, 'Waits for '), job.depends_on.slice(0, 20).map((id) => [jobLink(id), ' '])),
    isWaiting && h('li', { key: 'next' }, h('div', { class: 'what' }, job.run_at ? [h('b', {}, job.state === 'RETRY' ? 'Next attempt' : 'Runs'), at(job.run_at), h('small', {}, when(job.run_at))] : [h('b', {}, 'Waits for a worker'), badge('READY', 'ready')])),
    ENDED.includes(job.state) && h('li', { key: 'end', class: job.state === 'ACKED' ? 'good' : job.state === 'DEAD' ? 'bad' : '' },
      h('div', { class: 'what' }, h('b', {}, { ACKED: 'Done', DEAD: 'Dead', CANCELLED: 'Cancelled' }[job.state]), at(job.finished_at), h('small', {}, `after ${duration(Date.parse(job.finished_at) - Date.parse(job.created_at))} in all`)),
      job.cancel_reason && h('small', {}, job.cancel_reason)));
}

function attempt(entry, place) {
  const end = entry.ended_at ?? null;
  const took = entry.leased_at ? (end ? Date.parse(end) : Date.now()) - Date.parse(entry.leased_at) : null;
  return h('li', { key: `attempt ${entry.attempt} ${place}`, class: KINDS[entry.outcome] },
    h('div', { class: 'what' }, h('b', {}, entry.attempt ? `Attempt ${entry.attempt}` : 'Before an attempt'), h('span', { class: KINDS[entry.outcome] }, OUTCOMES[entry.outcome] ?? entry.outcome), at(entry.leased_at ?? end), took !== null && h('small', {}, `${entry.outcome === 'running' ? 'for' : 'took'} ${duration(took)}`)),
    entry.worker_id && h('small', {}, `worker ${entry.worker_id}`),
    entry.reason && h('small', {}, entry.reason),
    entry.error && (entry.error.length > 200 || entry.error.includes('\n')
      ? h('details', {}, h('summary', {}, entry.error.split('\n', 1)[0].slice(0, 160)), h('pre', { tabindex: '0' }, entry.error))
      : h('pre', {}, entry.error)));
}

// MARK: What it carries

function body(context, state) {
  const showPayload = async (event) => {
    if (!event.currentTarget.open || state.payload !== null) return;
    try { state.payload = rawField(await api.text(path`/jobs/${state.job.job_id}` + '?payload=true'), 'payload') ?? ''; } catch (error) { state.unread = error.message; }
    context.redraw();
  };
  const [result, progress] = ['result', 'progress'].map((name) => rawField(state.raw, name));
  return h('section', { class: 'panel', 'aria-label': 'payload and result' },
    progress !== null && fold('Progress', progress, { isOpen: true }),
    h('details', { ontoggle: showPayload, id: 'payload' }, h('summary', {}, 'Payload'), state.unread ? h('p', { class: 'bad' }, state.unread) : state.payload === null ? loading() : shown(state.payload)),
    result !== null && fold('Result', result, {}),
    state.job.metadata && Object.keys(state.job.metadata).length > 0 && fold('Metadata', JSON.stringify(state.job.metadata), {}));
}

function fold(title, text, { isOpen }) { return h('details', { open: isOpen ?? false, key: title }, h('summary', {}, title), shown(text)); }

function shown(text) {
  return h('div', {}, h('pre', { class: 'json', tabindex: '0' }, pretty(text).map((piece) => (piece.kind ? h('span', { class: piece.kind }, piece.text) : piece.text))), copyButton(text));
}

function facts(job) {
  const rows = [
    ['Queue', queueLink(job.queue)], ['Group', job.group], ['Owner', job.owner_id], ['Priority', String(job.priority)],
    ['Attempts', `${count(job.attempts)}${job.max_retries === 'unlimited' ? ', any number' : ` of ${count(job.max_retries + 1)}`}`],
    ['Worker', job.worker_id], ['Lease until', job.lease_until && at(job.lease_until)], ['Submitted', when(job.created_at)], ['Last begun', job.started_at && when(job.started_at)],
    ['Trace', job.traceparent && h('span', { class: 'id' }, job.traceparent)],
    ['Tags', job.tags?.length > 0 && h('span', { class: 'tags' }, job.tags.map((tag) => badge('', tag)))],
  ];
  return h('section', { class: 'panel', 'aria-label': 'facts' }, h('h2', {}, 'Facts'),
    h('dl', { class: 'facts' }, rows.filter(([, value]) => value).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])));
}
