// One queue: what it holds, how it moves, what holds it back; pausing, purging, settings, groups.

import { api, path, query } from './api.js';
import { bulk, deleteQueue } from './bulk.js';
import { h } from './dom.js';
import { charts, meter, samples } from './chart.js';
import { bytes, count, perSecond, short, span } from './format.js';
import { marks } from './queues.js';
import { settingsForm } from './settings.js';
import { ask, badge, button, empty, field, loading, pages, table, tile, toast, when } from './ui.js';

const STATES = ['READY', 'RUNNING', 'SCHEDULED', 'RETRY', 'DEAD', 'ACKED', 'CANCELLED'];
const HELD = {
  concurrency: 'As many jobs run as may (concurrency). It goes on when one of them ends.',
  rate: 'Its rate is used up for now. It goes on by itself.',
  deletion: 'It is being deleted: it takes no jobs and gives none.',
};
const SIZE = 50;

export function open(context) {
  const [name] = context.args;
  const state = { queue: null, missing: false, groups: null, cursors: [null], figures: [], series: null, askedAt: 0, settings: {} };
  state.settings.saved = (queue) => { state.queue = queue; };
  return {
    title: name, every: 3_000,
    async load() {
      const wantsSeries = Date.now() - state.askedAt >= 10_000;
      try {
        const [queue, groups, stats, series] = await Promise.all([
          api.get(path`/queues/${name}`), api.get(path`/queues/${name}/groups` + query({ limit: SIZE, cursor: state.cursors.at(-1) })),
          api.get('/stats'), wantsSeries && api.get('/stats/series' + query({ queue: name }))]);
        Object.assign(state, { queue, groups, missing: false, figures: stats.items.filter((item) => item.queue === name) });
        if (series) Object.assign(state, { series, askedAt: Date.now() });
      } catch (error) {
        if (error.code !== 'queue_not_found') throw error;
        Object.assign(state, { queue: null, missing: true });
      }
    },
    view: () => (state.missing ? missing(name) : state.queue ? view(context, state) : loading()),
  };
}

function missing(name) {
  return empty(`There is no queue ${name}`, 'It begins with its first job, setting or pause, and goes an hour after its last job unless it has settings.',
    `curl -H "Authorization: Bearer $KEY" ${location.origin}/jobs -d '${JSON.stringify({ queue: name, payload: 1 })}'`);
}

function view(context, state) {
  const { queue } = state;
  const mayManage = context.mayChange('queues:manage') && context.mayUse(queue.name);
  const jobs = (one) => `#/jobs?q=${encodeURIComponent(`queue:${queue.name}${one ? ` state:${one}` : ''}`)}`;
  const holdsJobs = STATES.some((one) => queue.counts[one] > 0);
  return [
    h('div', { class: 'heading', key: 'head' },
      h('div', { class: 'titles' }, h('a', { class: 'crumb', href: '#/queues' }, '← Queues'), h('h1', {}, queue.name), marks(queue)),
      h('div', { class: 'actions' },
        h('a', { class: 'button', href: jobs() }, 'Jobs'),
        mayManage && (queue.paused ? button('Resume', () => resume(context, state), { kind: 'primary', id: 'resume' }) : button('Pause', () => pause(context, state), { id: 'pause' })),
        mayManage && button('Purge', () => bulk(context, { action: 'purge', queue: queue.name }), { disabled: !holdsJobs, id: 'purge' }),
        mayManage && button('Delete', () => deleteQueue(context, queue.name, holdsJobs), { kind: 'danger', id: 'delete' }))),
    queue.paused ? h('div', { class: 'callout', key: 'hold' }, 'Paused ', when(queue.pause.since), queue.pause.reason ? `: ${queue.pause.reason}` : '.', queue.pause.until && [' It goes on ', when(queue.pause.until), '.'])
      : queue.held_by && h('div', { class: 'callout', key: 'hold' }, HELD[queue.held_by] ?? `Held by ${queue.held_by}.`),
    h('section', { class: 'tiles small', key: 'tiles', 'aria-label': 'jobs by state' }, STATES.map((one) =>
      tile(one.charAt(0) + one.slice(1).toLowerCase(), short(queue.counts[one]), {
        href: jobs(one), level: one === 'DEAD' && queue.counts.DEAD ? 'bad' : '',
        note: one === 'READY' && queue.oldest_ready_age ? `oldest ${span(queue.oldest_ready_age)}` : one === 'DEAD' && queue.rates.dead_per_minute ? `${short(queue.rates.dead_per_minute)} lately` : null,
      }))),
    h('div', { class: 'columns', key: 'columns' },
      h('div', {},
        charts(queue.name, samples(state.series), context.redraw, state.series.kept ? 'the last hour' : 'not kept: METRICS_QUEUES others are'),
        figures(state)),
      h('div', {}, limits(queue), totals(queue))),
    groups(context, state, mayManage),
    settingsForm(context, queue, state.settings),
  ];
}

function figures(state) {
  return h('section', { 'aria-label': 'times by type' }, h('div', { class: 'heading' }, h('h2', {}, 'Times by type'), h('span', { class: 'hint' }, 'of the last five to ten minutes')),
    state.figures.length ? table('times by type', [
      { name: 'Type', isHeading: true, kind: 'wide', of: (item) => item.type || h('span', { class: 'hint' }, '(no type)') },
      { name: 'Wait p50', kind: 'number', of: (item) => span(item.wait.p50) }, { name: 'p99', kind: 'number', of: (item) => span(item.wait.p99) },
      { name: 'Run p50', kind: 'number', of: (item) => span(item.run.p50) }, { name: 'p99', kind: 'number', of: (item) => span(item.run.p99) },
      { name: 'Done', kind: 'number', of: (item) => short(item.acked) }, { name: 'Failed', kind: 'number', of: (item) => h('span', { class: item.failed ? 'warn' : '' }, short(item.failed)) },
    ], state.figures, { keyOf: (item) => item.type }) : h('p', { class: 'hint panel' }, 'No job was leased since the daemon started.'));
}

function limits(queue) {
  const { settings, counts } = queue;
  const waiting = counts.READY + counts.SCHEDULED + counts.RETRY;
  const rows = [
    settings.concurrency && ['Running at once', counts.RUNNING, settings.concurrency, short, false],
    settings.max_length && ['Waiting jobs', waiting, settings.max_length, short],
    settings.max_bytes && ['Waiting bytes', queue.waiting_bytes, settings.max_bytes, bytes],
    settings.rate && ['Leases a minute', queue.rates.leased_per_minute, perMinute(settings.rate), short, false],
  ].filter(Boolean);
  return h('section', { class: 'panel', 'aria-label': 'limits' }, h('h2', {}, 'Limits'),
    rows.length ? h('div', { class: 'limits' }, rows.map(([label, used, limit, show, isAlarm = true]) => h('div', { class: 'row', key: label }, h('span', {}, label), h('span', {}, `${show(used)} of ${show(limit)}`), meter(used, limit, label, { isAlarm }))))
      : h('p', { class: 'hint' }, 'None are set: see concurrency, rate and max_length below.'));
}

function perMinute(rate) {
  const [, number, unit] = /^([\d.]+)(ms|[smhd])/.exec(rate.per) ?? [null, '1', 'm'];
  const minutes = (Number(number) * { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[unit]) / 6e4;
  return Math.round(rate.limit / minutes);
}

function totals(queue) {
  return h('section', { class: 'panel', 'aria-label': 'since it began' }, h('h2', {}, 'Since it began'),
    h('dl', { class: 'facts' }, ['submitted', 'leased', 'acked', 'failed', 'dead'].map((event) => [
      h('dt', {}, event), h('dd', {}, count(queue.totals[event]), h('small', {}, `  ${perSecond(queue.rates[`${event}_per_minute`] / 60)} lately`))]),
    h('dt', {}, 'waiting bytes'), h('dd', {}, bytes(queue.waiting_bytes))));
}

function pause(context, state) {
  const form = { reason: '', for: '' };
  ask({
    title: `Pause ${state.queue.name}`, action: 'Pause', text: 'What runs goes on, submits are taken, nothing is leased until it is resumed.',
    fields: () => [
      field('Reason', h('input', { id: 'pause-reason', maxlength: 255, placeholder: 'the mail provider is down', oninput: (event) => { form.reason = event.target.value; } }), 'Shown to whoever wonders at three in the morning.'),
      field('For', h('select', { onchange: (event) => { form.for = event.target.value; } }, [['', 'until it is resumed'], ['15', '15 minutes'], ['60', 'an hour'], ['480', '8 hours'], ['1440', 'a day']].map(([value, label]) => h('option', { value }, label)))),
    ],
    async run() {
      const until = form.for ? new Date(Date.now() + Number(form.for) * 60_000).toISOString() : undefined;
      state.queue = await api.post(path`/queues/${state.queue.name}/pause`, { reason: form.reason.trim() || undefined, until });
      context.redraw();
      return 'Paused.';
    },
  });
}

async function resume(context, state) {
  try {
    state.queue = await api.post(path`/queues/${state.queue.name}/resume`);
    toast('It goes on.');
  } catch (error) { toast(error.message, 'bad'); }
  context.redraw();
}

// MARK: Groups

function groups(context, state, mayManage) {
  const items = state.groups?.items ?? [];
  // A queue whose jobs say no group has one of each owner; that says nothing.
  if (!items.some((group) => group.group !== null) && state.cursors.length === 1) return null;
  const base = (group) => path`/queues/${state.queue.name}/groups/${group.group ?? '_'}`;
  const owner = (group) => (context.me.type === 'admin' ? query({ owner_id: group.owner_id }) : '');
  const act = async (group, verb) => {
    try { await api.post(`${base(group)}/${verb}${owner(group)}`); } catch (error) { toast(error.message, 'bad'); }
    context.reload();
  };
  const limit = (group, name) => group.settings[name] ?? state.queue.settings.groups?.[name];
  return h('section', { key: 'groups', 'aria-label': 'groups' },
    h('div', { class: 'heading' }, h('h2', {}, 'Groups'), h('span', { class: 'hint' }, state.queue.settings.groups?.fair ? 'they take turns' : 'they take no turns: jobs go by priority and age')),
    table('groups', [
      { name: 'Group', isHeading: true, kind: 'wide', of: (group) => [group.group ?? h('span', { class: 'hint' }, '(no group)'), ' ', group.paused ? badge('paused', group.pause?.reason ? `paused: ${group.pause.reason}` : 'paused') : group.held_by && badge('warn', `held: ${group.held_by}${group.held_for ? ` ${span(group.held_for)}` : ''}`)] },
      { name: 'Owner', of: (group) => group.owner_id },
      { name: 'Ready', kind: 'number', of: (group) => short(group.ready) },
      { name: 'Waiting', kind: 'number', of: (group) => short(group.waiting) + (limit(group, 'max_length') ? ` / ${short(limit(group, 'max_length'))}` : '') },
      { name: 'Running', kind: 'number', of: (group) => short(group.running) + (limit(group, 'concurrency') ? ` / ${short(limit(group, 'concurrency'))}` : '') },
      { name: 'Weight', kind: 'number', of: (group) => group.settings.weight ?? 1 },
      { name: 'Oldest', kind: 'number', of: (group) => (group.oldest_ready_age ? span(group.oldest_ready_age) : '–') },
      mayManage && { name: 'Actions', kind: 'tight', of: (group) => h('span', { class: 'actions' }, group.paused || group.held_by === 'held' ? button('Resume', () => act(group, 'resume')) : button('Pause', () => act(group, 'pause')), button('Limits', () => limitsOf(context, group, base(group) + owner(group)))) },
    ].filter(Boolean), items, { keyOf: (group) => `${group.owner_id}/${group.group}` }),
    pages(state.cursors, state.groups.next_cursor, context.reload));
}

function limitsOf(context, group, target) {
  const form = {};
  const input = (name, label, hint) => field(label, h('input', { inputmode: 'numeric', value: group.settings[name] ?? '', placeholder: 'as its queue says', oninput: (event) => { form[name] = event.target.value.trim(); } }), hint);
  ask({
    title: `Limits of ${group.group ?? 'the jobs without a group'}`, action: 'Save', text: 'They count for this group instead of what its queue says for each. Empty: as its queue says.',
    fields: () => [input('concurrency', 'concurrency', 'The most of its jobs that may be RUNNING.'), input('max_length', 'max_length', 'The most of its jobs that may wait.'), input('weight', 'weight', 'Turns for each one of a group of weight 1: 1 to 1000.')],
    async run() {
      await api.patch(target, Object.fromEntries(Object.entries(form).map(([name, text]) => [name, text === '' ? null : Number(text)])));
      context.reload();
      return 'Saved.';
    },
  });
}
