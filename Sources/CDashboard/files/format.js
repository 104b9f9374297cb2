// Numbers, times and durations as people read them.

const NUMBERS = new Intl.NumberFormat('en-US');

export function count(number) { return number === null || number === undefined ? '–' : NUMBERS.format(number); }

/** 12,345 stays, 1.2 M does for a tile. */
export function short(number) {
  if (number === null || number === undefined) return '–';
  if (Math.abs(number) < 100_000) return NUMBERS.format(Math.round(number));
  const [unit, name] = number < 1e6 ? [1e3, 'k'] : number < 1e9 ? [1e6, 'M'] : [1e9, 'G'];
  const value = number / unit;
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${name}`;
}

/** A rate a second, from one a minute or measured. */
export function perSecond(rate) {
  if (rate === null || rate === undefined) return '–';
  if (rate === 0) return '0/s';
  if (rate < 1) return `${trim(rate * 60, 1)}/min`;
  return `${rate < 10 ? trim(rate, 1) : short(rate)}/s`;
}

function trim(number, digits) { return String(Number(number.toFixed(digits))); }

export function bytes(number) {
  if (number === null || number === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let place = 0;
  while (number >= 1024 && place < units.length - 1) { number /= 1024; place += 1; }
  return `${place && number < 10 ? number.toFixed(1) : Math.round(number)} ${units[place]}`;
}

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Milliseconds of the daemon's `1h30m` or `1.5h`; null if it is none. */
export function milliseconds(text) {
  if (typeof text !== 'string' || !/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(text)) return null;
  let sum = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|[dhms])/g)) sum += Number(number) * UNITS[unit];
  return sum;
}

/** Two units at most: `3 min 20 s`. */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '–';
  if (ms < 0) ms = 0;
  if (ms < 1_000) return `${ms < 10 ? trim(ms, 1) : Math.round(ms)} ms`;
  if (ms < 10_000) return `${trim(ms / 1_000, 1)} s`;
  const parts = [['d', UNITS.d], ['h', UNITS.h], ['min', UNITS.m], ['s', UNITS.s]];
  const first = parts.findIndex(([, unit]) => ms >= unit);
  const [name, unit] = parts[first];
  const whole = Math.floor(ms / unit);
  const next = parts[first + 1];
  const rest = next && whole < 10 ? Math.floor((ms - whole * unit) / next[1]) : 0;
  return rest ? `${whole} ${name} ${rest} ${next[0]}` : `${whole} ${name}`;
}

export function span(text) { return duration(milliseconds(text)); }

export function ago(time, now = Date.now()) {
  const past = now - Date.parse(time);
  return past < 0 ? `in ${duration(-past)}` : past < 1_000 ? 'just now' : `${duration(past)} ago`;
}

/** Local time, with the date where it is another day. */
export function clock(time) {
  if (!time) return '–';
  const date = new Date(time);
  const two = (number) => String(number).padStart(2, '0');
  const hours = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === new Date().toDateString()) return hours;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${hours}`;
}

export function plural(number, one, many = `${one}s`) { return `${count(number)} ${number === 1 ? one : many}`; }

/** The part of an id that tells it from its neighbours: those made in one second begin alike. */
export function shortID(id) { return id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id; }
