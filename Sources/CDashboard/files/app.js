// The frame: signing in, pages by the address behind `#`, the keyboard, light and dark, and what is said when the daemon
// does not answer.

import { api, isReadOnly, key, onSignedOut } from './api.js';
import { open as deadPage } from './dead.js';
import { h, render } from './dom.js';
import { clock } from './format.js';
import { open as jobPage } from './job.js';
import { open as jobsPage } from './jobs.js';
import { open as keysPage } from './keys.js';
import { open as operationsPage } from './operations.js';
import { open as overviewPage } from './overview.js';
import * as heart from './pulse.js';
import { open as queuePage } from './queue.js';
import { open as queuesPage } from './queues.js';
import { open as schedulesPage } from './schedules.js';
import { badge, button, dialog, failure, field, loading } from './ui.js';
import { open as workersPage } from './workers.js';

/** Pages of the navigation: path, name, key after `g`, what opens it, and the scope without which it shows nothing. */
const PAGES = [
  { path: '', name: 'Overview', key: 'o', open: overviewPage },
  { path: 'queues', name: 'Queues', key: 'q', open: queuesPage },
  { path: 'jobs', name: 'Jobs', key: 'j', open: jobsPage },
  { path: 'dead', name: 'Dead letters', key: 'd', open: deadPage },
  { path: 'schedules', name: 'Schedules', key: 's', open: schedulesPage },
  { path: 'workers', name: 'Workers', key: 'w', scope: 'jobs:lease', open: workersPage },
  { path: 'operations', name: 'Operations', key: 'p', scope: 'queues:manage', open: operationsPage },
  { path: 'keys', name: 'Keys', key: 'k', scope: 'keys:read', open: keysPage },
];
/** Pages of one thing, below those of many. */
const DETAILS = { queues: queuePage, jobs: jobPage };

const places = Object.fromEntries(['top', 'nav', 'tools', 'banner', 'main'].map((id) => [id, document.getElementById(id)]));
let me = null;
let signInSays = null;
let page = null;

// MARK: Signing in

async function signIn(token) {
  key.set(token);
  try {
    me = await api.get('/whoami');
    signInSays = null;
    heart.start(me, drawFrame);
    await open();
  } catch (error) {
    if (error.isSignedOut) return;
    me = null;
    // Without an answer nothing is known about the key: it is tried again.
    if (error.isUnreachable || error.status >= 500) {
      drawWaiting(error);
      setTimeout(() => { if (key.get() === token && !me) signIn(token); }, 1_000);
    } else {
      key.clear();
      signInSays = error;
      drawSignIn();
    }
  }
}

function signOut(why = null) {
  key.clear();
  heart.stop();
  close();
  me = null;
  signInSays = why;
  document.getElementById('dialog').close();
  drawFrame();
  drawSignIn();
}

onSignedOut(signOut);

function drawSignIn() {
  document.title = 'Sign in · Roost';
  let token = '';
  const submit = (event) => {
    event.preventDefault();
    token = document.getElementById('key').value.trim();
    // Others cannot stand in a header.
    if (/^[!-~]+$/.test(token)) return signIn(token);
    signInSays = new Error('That is no key: a key has letters, digits and _ only.');
    drawSignIn();
  };
  render(places.main,
    h('section', { class: 'signin', key: 'signin' },
      h('h1', {}, 'Sign in'),
      h('p', {}, 'What you see and may do here is what your key may. It stays in this tab and is forgotten when you close it.'),
      h('form', { onsubmit: submit },
        field('API key', h('input', {
          id: 'key', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, placeholder: 'admin_…',
          'aria-describedby': 'key-help', ref: (node) => node.focus(),
        })),
        signInSays && failure(signInSays),
        h('button', { type: 'submit', class: 'button primary', id: 'signin' }, 'Sign in')),
      h('p', { class: 'hint', id: 'key-help' }, 'The first start of the daemon leaves an admin key in its data directory; another is made with:'),
      h('pre', {}, 'cat data/admin.key\nroost keys create --name me --owner ops --type admin'),
      isReadOnly && h('p', { class: 'hint' }, 'This dashboard is read-only (DASHBOARD=readonly).')));
}

function drawWaiting(error) {
  render(places.main, h('section', { class: 'signin', key: 'waiting' },
    h('h1', {}, error.code === 'starting' ? 'The daemon is starting' : error.isUnreachable ? 'The daemon does not answer' : 'The daemon cannot serve now'),
    h('p', { role: 'status' }, error.code === 'starting' ? 'It replays its log. This page goes on by itself.' : error.isUnreachable ? 'Trying again every second …' : error.message),
    button('Sign out', () => signOut())));
}

// MARK: Pages

/** What a page works with. */
function context(args, query) {
  return {
    args, query, me,
    may: (scope) => me.scopes.includes(scope),
    /** Whether this page offers to change what needs that scope. */
    mayChange: (scope) => !isReadOnly && me.scopes.includes(scope),
    /** Whether the key names that queue. */
    mayUse: (queue) => me.queues.some((pattern) => (pattern.endsWith('*') ? queue.startsWith(pattern.slice(0, -1)) : pattern === queue)),
    redraw: () => { if (page?.isOpen) draw(); },
    reload: () => load(),
    /** Changes the query in the address without a new page. */
    put(fields) {
      const next = new URLSearchParams(location.hash.split('?')[1] ?? '');
      for (const [name, value] of Object.entries(fields)) value ? next.set(name, value) : next.delete(name);
      const path = location.hash.split('?')[0];
      history.replaceState(null, '', next.size ? `${path}?${next}` : path);
    },
  };
}

function parts() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  try {
    return [path.split('/').filter(Boolean).map(decodeURIComponent), new URLSearchParams(query ?? '')];
  } catch {
    return [[], new URLSearchParams()];
  }
}

async function open() {
  if (!me) return;
  const [[name = '', ...args], query] = parts();
  const found = PAGES.find((one) => one.path === name && (!one.scope || me.scopes.includes(one.scope))) ?? PAGES[0];
  close();
  const opened = { found, isOpen: true, error: null, timer: null };
  page = opened;
  drawFrame();
  render(places.main, loading());
  places.main.dataset.page = '';
  opened.own = (args.length && DETAILS[name] ? DETAILS[name] : found.open)(context(args, query));
  document.title = `${opened.own.title} · Roost`;
  opened.name = args.length ? `${name}/one` : found.path || 'overview';
  scrollTo(0, 0);
  await load();
}

function close() {
  if (page) {
    page.isOpen = false;
    clearTimeout(page.timer);
    page.own?.close?.();
  }
  page = null;
}

/** Asks for what the page shows, shows it, and does so again after a while. */
async function load() {
  const loaded = page;
  if (!loaded?.own) return;
  clearTimeout(loaded.timer);
  const turn = (loaded.turn = (loaded.turn ?? 0) + 1);
  try {
    await loaded.own.load?.();
    loaded.error = null;
  } catch (error) {
    if (!(error instanceof Error) || error.code === undefined) throw error;
    loaded.error = error;
  }
  if (!loaded.isOpen || loaded.turn !== turn) return;
  draw();
  const every = loaded.error ? 2_000 : loaded.own.every;
  if (every) loaded.timer = setTimeout(again, every);
}

/** A page that nobody looks at asks for nothing. */
function again() {
  if (document.hidden) page.timer = setTimeout(again, 1_000);
  else load();
}

function draw() {
  // What was there stays while the daemon does not answer: the banner says so.
  const error = page.error && !page.error.isUnreachable && page.error.code !== 'starting' ? page.error : null;
  render(places.main, error && failure(error), page.own.view());
  places.main.dataset.page = page.name;
}

// MARK: The frame

function drawFrame() {
  render(places.nav, me && PAGES.filter((one) => !one.scope || me.scopes.includes(one.scope)).map((one) =>
    h('a', { key: one.path, href: `#/${one.path}`, 'aria-current': page?.found === one ? 'page' : null, title: `g ${one.key}` }, one.name,
      one.path === 'dead' && heart.pulse.stats?.counts.DEAD > 0 && h('span', { class: 'count', 'aria-label': 'dead letters' }, heart.pulse.stats.counts.DEAD > 999 ? '999+' : heart.pulse.stats.counts.DEAD))));
  render(places.tools,
    me && isReadOnly && badge('quiet', 'read-only'),
    me && h('span', { class: 'who', title: `key ${me.key_id}` }, `${me.owner_id} · ${me.type}`),
    button('?', help, { kind: 'quiet', title: 'Keyboard and help (?)' }),
    button(THEMES[theme()].sign, nextTheme, { kind: 'quiet', title: THEMES[theme()].title, id: 'theme' }),
    me && button('Sign out', () => signOut(), { kind: 'quiet', id: 'signout' }));
  drawBanner();
  if (page?.own?.live && page.isOpen) draw();
}

function drawBanner() {
  const { lostSince, error, ready } = heart.pulse;
  const isLost = me && lostSince;
  places.banner.className = isLost ? 'lost' : '';
  document.body.classList.toggle('stale', Boolean(isLost));
  if (!isLost) return render(places.banner);
  const replay = ready?.replay;
  const text = error?.code === 'starting'
    ? `The daemon is starting: it has replayed ${replay?.of_bytes ? Math.floor((100 * replay.bytes) / replay.of_bytes) : 0} % of its log.`
    : error?.isUnreachable || !error ? `The daemon does not answer since ${clock(new Date(lostSince).toISOString())}. What you see is as of then; this page goes on by itself.`
    : `The daemon refuses: ${error.message}`;
  render(places.banner, text);
}

heart.pulse.onRecovered = () => { if (page?.error) load(); };

// MARK: Light and dark

const THEMES = {
  auto: { sign: '◐', title: 'Colours as the system has them; press for light', next: 'light' },
  light: { sign: '☀', title: 'Light; press for dark', next: 'dark' },
  dark: { sign: '☾', title: 'Dark; press for the system’s', next: 'auto' },
};

function theme() {
  const chosen = localStorage.getItem('roost.theme');
  return chosen in THEMES ? chosen : 'auto';
}

function nextTheme() {
  localStorage.setItem('roost.theme', THEMES[theme()].next);
  applyTheme();
  drawFrame();
}

function applyTheme() {
  if (theme() === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme();
}

// MARK: The keyboard

const KEYS = [
  ['/', 'to the filter of this page'], ['g, then a letter', 'to a page: ' + PAGES.map((one) => `${one.key} ${one.name}`).join(', ')],
  ['j k', 'to the next or the one before'], ['Enter', 'opens it'], ['x', 'selects it'], ['r', 'asks again now'], ['t', 'light, dark'], ['Esc', 'closes'], ['?', 'this'],
];

function help() {
  dialog('Keyboard', () => [
    h('div', { class: 'body' }, h('dl', { class: 'keys' }, KEYS.map(([name, what]) => [h('dt', {}, h('kbd', {}, name)), h('dd', {}, what)]))),
    h('footer', {}, h('span', { class: 'hint' }, 'The whole API: /openapi.yaml. The same from the shell: roost --help.')),
  ]);
}

let isGoing = false;

function step(by) {
  const links = [...places.main.querySelectorAll('[data-open]')];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = links[Math.max(0, Math.min(links.length - 1, at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by))];
  next.focus();
  next.scrollIntoView({ block: 'nearest' });
}

addEventListener('keydown', (event) => {
  const target = event.target;
  const isTyping = target.matches?.('input:not([type=checkbox]), textarea, select');
  if (event.key === 'Escape' && isTyping && !target.closest('dialog')) return target.blur();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !me || document.getElementById('dialog').open) return;
  if (isGoing) {
    isGoing = false;
    const found = PAGES.find((one) => one.key === event.key);
    if (found) location.hash = `#/${found.path}`;
    return;
  }
  const actions = {
    g: () => { isGoing = true; setTimeout(() => { isGoing = false; }, 1_500); },
    '/': () => places.main.querySelector('[data-search]')?.focus(),
    j: () => step(1),
    k: () => step(-1),
    x: () => target.closest?.('tr')?.querySelector('input[type=checkbox]')?.click(),
    r: () => { heart.hurry(); load(); },
    t: nextTheme,
    '?': help,
  };
  const action = actions[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

document.querySelector('.skip').onclick = (event) => {
  event.preventDefault();
  places.main.focus();
};

applyTheme();
addEventListener('hashchange', open);
drawFrame();
if (key.get()) signIn(key.get());
else drawSignIn();
