// Asks the daemon. The key lives in this tab's session storage, travels in a header, and stands in no URL.

const STORE = 'roost.key';
const LIMIT_MS = 20_000;

/** Where the daemon's routes are: beside this page, also behind a proxy that puts them under a path. */
const base = new URL('.', location.href.split('#')[0]);
/** Whether the daemon wants this page to change nothing. */
export const isReadOnly = document.documentElement.dataset.mode === 'readonly';

/** What went wrong, as the daemon said it, or that it did not answer (`unreachable`). */
export class Refused extends Error {
  constructor(status, code, message, details, requestID) {
    super(message);
    Object.assign(this, { status, code, details: details ?? {}, requestID });
  }
  get isUnreachable() { return this.code === 'unreachable'; }
  get isSignedOut() { return this.status === 401; }
}

export const key = {
  get: () => sessionStorage.getItem(STORE),
  set: (text) => sessionStorage.setItem(STORE, text),
  clear: () => sessionStorage.removeItem(STORE),
};

const listeners = { signedOut: () => {} };
/** Calls back when the daemon does not take the key any more. */
export function onSignedOut(action) { listeners.signedOut = action; }

/** A path from parts that may hold any character. */
export function path(parts, ...values) {
  return String.raw({ raw: parts }, ...values.map((value) => encodeURIComponent(value)));
}

/** `?a=1&b=2` of those that have a value. */
export function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return given.length ? '?' + given.map((pair) => pair.map(encodeURIComponent).join('=')).join('&') : '';
}

/** Sends a request and gives back its answer's text. */
async function send(method, target, body, { anonymous = false, accept = [] } = {}) {
  if (isReadOnly && method !== 'GET') throw new Refused(0, 'readonly', 'this dashboard is read-only');
  const headers = {};
  const token = key.get();
  if (!anonymous && token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response, text;
  try {
    response = await fetch(new URL(target.slice(1), base), {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store',
      credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(LIMIT_MS),
    });
    text = await response.text();
  } catch {
    throw new Refused(0, 'unreachable', 'The daemon does not answer.');
  }
  if (response.ok || accept.includes(response.status)) return text;
  let said = {};
  try { said = JSON.parse(text); } catch { /* A proxy's page, most likely. */ }
  const refused = new Refused(
    response.status, said.code ?? `http_${response.status}`, said.message ?? `The answer was HTTP ${response.status}.`,
    said.details, said.request_id);
  if (refused.isSignedOut && !anonymous && token === key.get()) listeners.signedOut(refused);
  throw refused;
}

async function json(...asked) { return JSON.parse(await send(...asked)); }

export const api = {
  get: (target, options) => json('GET', target, undefined, options),
  /** The answer's bytes as text, for values that must stay as they were sent. */
  text: (target) => send('GET', target),
  post: (target, body) => json('POST', target, body),
  patch: (target, body) => json('PATCH', target, body),
  delete: (target) => json('DELETE', target),
  ready: () => json('GET', '/readyz', undefined, { anonymous: true, accept: [503] }),
};
