// Keys: who may do what. A new one is shown once.

import { api, path } from './api.js';
import { h } from './dom.js';
import { count, plural } from './format.js';
import { ask, badge, button, copyButton, dialog, field, loading, table, when } from './ui.js';

const SHOWN = 200;

export function open(context) {
  const state = { keys: null, match: '', all: false };
  const mayMake = context.mayChange('keys:create');
  return {
    title: 'Keys', every: 15_000,
    async load() { state.keys = await api.get(context.may('admin') ? '/admin/keys' : '/keys'); },
    view: () => [
      h('div', { class: 'heading' }, h('h1', {}, 'Keys'), h('div', { class: 'actions' }, mayMake && button('Make a key', () => make(context), { kind: 'primary', id: 'make' }))),
      self(context.me),
      state.keys && h('div', { class: 'bar' }, h('div', { class: 'grow' }, h('input', { type: 'search', 'data-search': true, placeholder: 'Name, owner or id contains …   ( / )', 'aria-label': 'filter keys', oninput: (event) => { state.match = event.target.value.trim().toLowerCase(); context.redraw(); } })),
        h('label', { class: 'actions' }, h('input', { type: 'checkbox', checked: state.all, onchange: (event) => { state.all = event.target.checked; context.redraw(); } }), 'revoked and expired, too')),
      state.keys ? list(context, state) : loading(),
    ],
  };
}

function self(me) {
  return h('section', { class: 'panel', 'aria-label': 'your key' }, h('h2', {}, 'Your key'), h('dl', { class: 'facts' },
    h('dt', {}, 'Key'), h('dd', {}, h('span', { class: 'id' }, me.key_id), ` · ${me.type} of ${me.owner_id}`),
    h('dt', {}, 'May'), h('dd', {}, h('span', { class: 'tags' }, me.scopes.map((scope) => badge('', scope)))),
    h('dt', {}, 'Queues'), h('dd', {}, me.queues.join(', ')),
    h('dt', {}, 'Expires'), h('dd', {}, me.expires_at ? when(me.expires_at) : 'never')));
}

function status(key) { return key.revoked_at ? 'revoked' : key.expires_at && Date.parse(key.expires_at) < Date.now() ? 'expired' : 'active'; }

function list(context, state) {
  const found = state.keys.filter((key) => (state.all || status(key) === 'active') && (!state.match || [key.name, key.owner_id, key.id].some((text) => text.toLowerCase().includes(state.match))))
    .sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  const ranks = ['client', 'worker', 'admin'];
  // One's own, those of one's owner that are of no higher type, and an admin's any.
  const mayRevoke = (key) => context.mayChange('keys:revoke') && ranks.indexOf(key.type) <= ranks.indexOf(context.me.type);
  return [
    table('keys', [
      { name: 'Name', isHeading: true, kind: 'wide', of: (key) => [key.name, ' ', key.id === context.me.key_id && badge('good', 'yours'), status(key) !== 'active' && badge(status(key))] },
      { name: 'Id', kind: 'tight', of: (key) => h('span', { class: 'id' }, key.id) },
      { name: 'Type', kind: 'tight', of: (key) => badge('', key.type) },
      { name: 'Owner', of: (key) => key.owner_id },
      { name: 'Queues', of: (key) => key.queues.slice(0, 4).join(', ') + (key.queues.length > 4 ? ' …' : '') },
      { name: 'Made', kind: 'tight', of: (key) => when(key.created_at) },
      { name: 'Last used', kind: 'tight', of: (key) => (key.last_used_at ? when(key.last_used_at) : '–') },
      { name: 'Expires', kind: 'tight', of: (key) => (key.expires_at ? when(key.expires_at) : 'never') },
      context.mayChange('keys:revoke') && { name: 'Actions', kind: 'tight', of: (key) => status(key) === 'active' && mayRevoke(key) && button('Revoke', () => revoke(context, key), { kind: 'danger' }) },
    ].filter(Boolean), found.slice(0, SHOWN), { keyOf: (key) => key.id }),
    found.length > SHOWN && h('p', { class: 'hint' }, `${count(SHOWN)} of ${plural(found.length, 'key')}: filter by name, owner or id.`),
  ];
}

function revoke(context, key) {
  const isOwn = key.id === context.me.key_id;
  ask({
    title: `Revoke ${key.name}`, action: 'Revoke', isDangerous: true,
    text: `Whoever uses it is refused at once, and gets no jobs any more. That cannot be undone.${isOwn ? ' It is the key you are signed in with: you will be signed out.' : ''}`,
    async run() { await api.delete(path`/keys/${key.id}`); context.reload(); return 'Revoked.'; },
  });
}

function make(context) {
  const form = { name: '', owner_id: context.me.owner_id, type: 'client', queues: '', days: '' };
  const set = (name) => (event) => { form[name] = event.target.value; };
  ask({
    title: 'Make a key', action: 'Make it',
    fields: () => [
      field('What it is for', h('input', { id: 'key-name', maxlength: 128, placeholder: 'shop backend', oninput: set('name') })),
      field('Type', h('select', { id: 'key-type', onchange: set('type') }, [['client', 'client: submits jobs and sees its own'], ['worker', 'worker: takes jobs of its queues'], ['admin', 'admin: everything']].map(([value, label]) => h('option', { value }, label)))),
      field('Owner', h('input', { id: 'key-owner', maxlength: 128, value: form.owner_id, oninput: set('owner_id') }), 'Clients see the jobs of their owner.'),
      field('Queues', h('input', { id: 'key-queues', placeholder: 'all', spellcheck: 'false', oninput: set('queues') }), 'Names, or prefixes followed by *; apart by spaces.'),
      field('Expires', h('select', { onchange: set('days') }, [['', 'never'], ['1', 'in a day'], ['30', 'in 30 days'], ['90', 'in 90 days'], ['365', 'in a year']].map(([value, label]) => h('option', { value }, label)))),
    ],
    async run() {
      const queues = form.queues.split(/[\s,]+/).filter(Boolean);
      const made = await api.post('/admin/keys', {
        name: form.name.trim(), owner_id: form.owner_id.trim(), type: form.type, queues: queues.length ? queues : undefined,
        expires_at: form.days ? new Date(Date.now() + Number(form.days) * 86_400_000).toISOString() : undefined,
      });
      context.reload();
      // Behind the dialog that asked is closed.
      setTimeout(() => show(made));
    },
  });
}

function show(made) {
  dialog('The new key', ({ close }) => [
    h('div', { class: 'body' }, h('p', {}, 'Copy it now: it is shown this once, and stored nowhere.'), h('div', { class: 'secret' }, h('code', { id: 'new-key' }, made.key), copyButton(made.key))),
    h('footer', {}, button('I have it', close, { kind: 'primary', id: 'close' })),
  ]);
}
