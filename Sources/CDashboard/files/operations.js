// What is being done to many jobs at once, and what was.

import { api } from './api.js';
import { operationBar, stop } from './bulk.js';
import { h } from './dom.js';
import { count } from './format.js';
import { button, empty, heading, loading, queueLink, table, when } from './ui.js';

const NAMES = { cancel: 'Cancel', delete: 'Delete', replay: 'Replay', purge: 'Purge', delete_queue: 'Delete the queue' };

export function open(context) {
  const state = { operations: null };
  return {
    title: 'Operations', every: 2_000,
    async load() { state.operations = (await api.get('/operations')).items; },
    view: () => [
      heading('Operations', 'those that run, and the last 16 that ended'),
      state.operations ? list(context, state) : loading(),
    ],
  };
}

function list(context, state) {
  if (!state.operations.length) {
    return empty('No operations', 'Cancelling, deleting, replaying or purging many jobs is an operation: it goes on in the background and across restarts. From the shell:', 'roost operation begin replay --queue email');
  }
  return table('operations', [
    { name: 'What', isHeading: true, kind: 'wide', of: (one) => NAMES[one.action] ?? one.action },
    { name: 'How far', kind: 'grow', of: operationBar },
    { name: 'Queue', of: (one) => (one.queue ? queueLink(one.queue) : 'all') },
    { name: 'Which', of: which },
    { name: 'Begun', kind: 'tight', of: (one) => when(one.started_at) },
    { name: 'Ended', kind: 'tight', of: (one) => (one.finished_at ? when(one.finished_at) : '–') },
    context.mayChange('queues:manage') && { name: 'Actions', kind: 'tight', of: (one) => ['running', 'waiting'].includes(one.state) && button('Stop', () => stop(one, context.reload)) },
  ].filter(Boolean), state.operations, { keyOf: (one) => one.operation_id });
}

function which(one) {
  return [
    one.states?.join(', '), one.type && `type ${one.type}`, one.owner_id && `owner ${one.owner_id}`, one.submitted_before && ['before ', when(one.submitted_before)], one.limit && `at most ${count(one.limit)}`,
  ].filter(Boolean).flatMap((part, place) => (place ? ['; ', part] : [part]));
}
