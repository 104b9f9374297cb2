// JSON as it was sent: numbers of any length, names given twice and their order stay, which JSON.parse would lose.

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

/** The text of one field of an object, byte for byte; null where it has none. */
export function rawField(text, name) {
  let depth = 0;
  let wanted = JSON.stringify(name);
  let start = -1;
  let before = '';
  TOKEN.lastIndex = 0;
  for (let found; (found = TOKEN.exec(text)); before = found[0]) {
    const token = found[0];
    if (start >= 0 && depth === 1 && (token === ',' || token === '}')) return text.slice(start, found.index).trim();
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (depth === 1 && token === ':' && before === wanted && start < 0) start = TOKEN.lastIndex;
  }
  return null;
}

const MOST = 64 * 1024;

/** Pieces of the text with their kind, on lines of their own: `{kind, text}`. */
export function pretty(text) {
  const isCut = text.length > MOST;
  const pieces = [];
  let depth = 0;
  const line = () => pieces.push({ kind: '', text: '\n' + '  '.repeat(depth) });
  TOKEN.lastIndex = 0;
  const source = isCut ? text.slice(0, MOST) : text;
  const tokens = [...source.matchAll(TOKEN)].map((found) => found[0]);
  tokens.forEach((token, place) => {
    const next = tokens[place + 1];
    if (token === '{' || token === '[') {
      pieces.push({ kind: '', text: token });
      if (next === '}' || next === ']') return;
      depth += 1;
      line();
    } else if (token === '}' || token === ']') {
      const before = tokens[place - 1];
      if (before !== '{' && before !== '[') { depth = Math.max(0, depth - 1); line(); }
      pieces.push({ kind: '', text: token });
    } else if (token === ',') {
      pieces.push({ kind: '', text: ',' });
      line();
    } else if (token === ':') {
      pieces.push({ kind: '', text: ': ' });
    } else {
      const kind = token[0] === '"' ? (next === ':' ? 'name' : 'text') : /[tfn]/.test(token[0]) ? 'word' : 'number';
      pieces.push({ kind, text: token });
    }
  });
  if (isCut) pieces.push({ kind: 'cut', text: `\n… ${text.length - MOST} more characters; copy shows all` });
  return pieces;
}
