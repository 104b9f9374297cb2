// Parts that several pages use: badges, tables, dialogs, notes that pass, empty states.

import { h, render } from './dom.js';
import { ago, clock, shortID } from './format.js';

export function badge(state, label = state) { return h('span', { class: `badge ${state}` }, label); }

export function jobLink(id, props = {}) {
  return h('a', { href: `#/jobs/${encodeURIComponent(id)}`, class: 'id', title: id, 'data-open': true, ...props }, shortID(id));
}

export function queueLink(name, props = {}) {
  return h('a', { href: `#/queues/${encodeURIComponent(name)}`, ...props }, name);
}

/** A time as how long ago it is; the whole time stands in its title. */
export function when(time) {
  return time ? h('time', { datetime: time, title: new Date(time).toISOString() }, ago(time)) : '–';
}

export function at(time) { return time ? h('time', { datetime: time, title: new Date(time).toISOString() }, clock(time)) : '–'; }

export function button(label, onclick, { kind = '', disabled = false, title, pressed, id } = {}) {
  return h('button', { type: 'button', class: `button ${kind}`, onclick, disabled, title, id, 'aria-pressed': pressed === undefined ? null : String(pressed) }, label);
}

/** The name of a page, and a word on it. */
export function heading(title, hint) {
  return h('div', { class: 'heading' }, h('h1', {}, title), hint && h('span', { class: 'hint' }, hint));
}

/** The first column of a table whose rows can be selected by their job. */
export function pickColumn(context, picked, rows) {
  const pick = (ids, isPicked) => { ids.forEach((id) => (isPicked ? picked.add(id) : picked.delete(id))); context.redraw(); };
  const box = (ids, label) => h('input', { type: 'checkbox', 'aria-label': label, checked: ids.length > 0 && ids.every((id) => picked.has(id)), onchange: (event) => pick(ids, event.target.checked) });
  return { name: 'Select', head: box(rows.map((row) => row.job_id), 'select all that are shown'), kind: 'pick', of: (row) => box([row.job_id], `select job ${row.job_id}`) };
}

/** One number with its name. */
export function tile(label, value, { note, href, level = '' } = {}) {
  const inside = [h('span', { class: 'label' }, label), h('b', {}, value), h('span', { class: 'note' }, note ?? '\u00a0')];
  return href ? h('a', { class: `tile ${level}`, href }, inside) : h('div', { class: `tile ${level}` }, inside);
}

/**
 * A table that a narrow screen shows as cards.
 *
 * columns: [{name, of: (row) => content, kind?}]
 */
export function table(label, columns, rows, { keyOf, mark } = {}) {
  return h('table', { 'aria-label': label, class: 'rows' },
    h('thead', {}, h('tr', {}, columns.map((column) => h('th', { scope: 'col', class: column.kind ?? '' }, column.head ?? column.name)))),
    h('tbody', {}, rows.map((row) => h('tr', { key: keyOf?.(row), class: mark?.(row) ?? '' },
      columns.map((column, place) => h(place === 0 && column.isHeading ? 'th' : 'td', { class: column.kind ?? '', 'data-label': column.name, scope: column.isHeading ? 'row' : null }, column.of(row)))))));
}

/** What to do where there is nothing yet: words, and the command that would fill the page. */
export function empty(title, text, command) {
  return h('div', { class: 'empty' },
    h('h2', {}, title), h('p', {}, text),
    command && h('div', { class: 'command' }, h('pre', { tabindex: '0', 'aria-label': 'command' }, command), copyButton(command)));
}

export function copyButton(text, label = 'Copy') {
  return button(label, async (event) => {
    const target = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text);
      toast('Copied.');
    } catch {
      // Without TLS there is no clipboard; a selection can still be copied by hand.
      const shown = target.parentElement.querySelector('pre, code, .id');
      if (shown) getSelection().selectAllChildren(shown);
      toast('Selected: copy it with Ctrl+C.');
    }
  }, { kind: 'quiet' });
}

export function loading() { return h('p', { class: 'loading', role: 'status' }, 'Loading …'); }

/** A refusal in the place of what it kept from being shown. */
export function failure(error) {
  return h('div', { class: 'failure', role: 'alert' },
    h('b', {}, error.message), error.code && error.code !== 'unreachable' && h('code', {}, error.code),
    error.requestID && h('small', {}, `request ${error.requestID}`));
}

/** Links to the pages before and behind. */
export function pager({ hasBefore, next, onBefore, onNext, label }) {
  return h('nav', { class: 'pager', 'aria-label': 'pages' },
    button('← Newer', onBefore, { disabled: !hasBefore }), h('span', {}, label), button('Older →', onNext, { disabled: !next }));
}

/** The same of a list in no order of time, where there are several. */
export function pages(cursors, next, reload, label) {
  const go = (change) => () => { change(); reload(); };
  return (next || cursors.length > 1) && h('nav', { class: 'pager', 'aria-label': 'pages' },
    button('← Before', go(() => cursors.pop()), { disabled: cursors.length < 2 }), h('span', {}, label), button('After →', go(() => cursors.push(next)), { disabled: !next }));
}

// MARK: Notes that pass

export function toast(text, level = 'good') {
  const place = document.getElementById('toasts');
  const note = document.createElement('div');
  note.className = `toast ${level}`;
  note.textContent = text;
  place.append(note);
  setTimeout(() => note.remove(), level === 'bad' ? 12_000 : 4_000);
}

// MARK: Dialogs

/**
 * Opens a dialog; `view` is asked anew whenever `redraw` is called.
 *
 * view: ({redraw, close}) => content
 */
export function dialog(title, view) {
  const element = document.getElementById('dialog');
  const back = document.activeElement;
  // What still draws an earlier dialog must not draw over this one.
  const own = (element.drawnBy = {});
  const draw = () => element.drawnBy === own && render(element,
    h('form', { method: 'dialog', onsubmit: (event) => event.preventDefault() },
      h('header', {}, h('h2', { id: 'dialog-title' }, title), button('✕', close, { kind: 'quiet close', title: 'Close (Esc)' })),
      view({ redraw: draw, close })));
  function close() { element.close(); }
  element.onclose = () => {
    // It is told later, when the next one may be open.
    if (element.open) return;
    element.drawnBy = null;
    render(element);
    back?.focus?.();
  };
  element.onclick = (event) => { if (event.target === element) close(); };
  render(element);
  draw();
  if (!element.open) element.showModal();
  element.querySelector('[autofocus], input, select, textarea')?.focus();
  return { close, redraw: draw };
}

/**
 * Asks before something is done, and shows what came of it.
 *
 * run: () => Promise; a refusal stays in the dialog.
 */
export function ask({ title, text, action, isDangerous = false, fields, run }) {
  const state = { isBusy: false, error: null };
  const shown = dialog(title, ({ redraw, close }) => {
    const go = async () => {
      [state.isBusy, state.error] = [true, null];
      redraw();
      try {
        const said = await run();
        close();
        if (said) toast(said);
      } catch (error) {
        [state.isBusy, state.error] = [false, error];
        redraw();
      }
    };
    return [
      h('div', { class: 'body' }, text && h('p', {}, text), fields?.(redraw), state.error && failure(state.error)),
      h('footer', {}, button('Cancel', close), h('button', {
        type: 'submit', class: `button ${isDangerous ? 'danger' : 'primary'}`, disabled: state.isBusy, onclick: go, autofocus: fields ? null : true,
      }, state.isBusy ? 'Working …' : action)),
    ];
  });
  return shown;
}

export function field(label, input, hint, error) {
  return h('label', { class: 'field' }, h('span', { class: 'label' }, label), input, hint && h('small', {}, hint), error && h('small', { class: 'bad', role: 'alert' }, error));
}
