// Elements as values, and a page that is brought up to date rather than made anew, so that focus, selection and scroll
// position stay. Whatever comes from the daemon becomes text or the value of a harmless attribute, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = new Set(['value', 'checked', 'disabled', 'open', 'hidden', 'selected', 'indeterminate', 'required']);

/** An element as a value. `key` tells it apart from its siblings when they change places. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, key: props?.key ?? null, children };
}

/** Makes the parent's children what the values say. */
export function render(parent, ...children) {
  const active = document.activeElement;
  patchChildren(parent, flat(children), parent.namespaceURI === SVG);
  // Moving an element takes its focus away.
  if (active !== document.activeElement && active?.isConnected && parent.contains(active)) {
    active.focus({ preventScroll: true });
  }
}

function flat(children, list = []) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === true) continue;
    if (Array.isArray(child)) flat(child, list);
    else list.push(typeof child === 'object' ? child : { tag: '#text', text: String(child), key: null });
  }
  return list;
}

function patchChildren(parent, list, isSVG) {
  const keyed = new Map();
  for (const node of parent.childNodes) if (node.roost?.key != null) keyed.set(node.roost.key, node);
  let at = parent.firstChild;
  for (const value of list) {
    let node = value.key != null ? keyed.get(value.key) : at?.roost?.key == null ? at : null;
    if (node && node.roost?.tag !== value.tag) node = null;
    if (node) {
      if (node === at) at = at.nextSibling;
      else parent.insertBefore(node, at);
      update(node, value, isSVG);
    } else {
      parent.insertBefore(create(value, isSVG), at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function create(value, isSVG) {
  if (value.tag === '#text') {
    const node = document.createTextNode(value.text);
    node.roost = { tag: '#text', key: null };
    return node;
  }
  isSVG ||= value.tag === 'svg';
  const node = isSVG ? document.createElementNS(SVG, value.tag) : document.createElement(value.tag);
  node.roost = { tag: value.tag, key: value.key, props: {} };
  update(node, value, isSVG);
  value.props.ref?.(node);
  return node;
}

function update(node, value, isSVG) {
  if (value.tag === '#text') {
    if (node.data !== value.text) node.data = value.text;
    return;
  }
  isSVG ||= value.tag === 'svg';
  // An element whose children someone else keeps.
  if (!value.props.own) patchChildren(node, flat(value.children), isSVG && value.tag !== 'foreignObject');
  const before = node.roost.props;
  for (const name in before) if (!(name in value.props)) set(node, name, null, before[name]);
  for (const name in value.props) set(node, name, value.props[name], before[name]);
  node.roost.props = value.props;
}

function set(node, name, value, before) {
  if (name === 'key' || name === 'ref' || name === 'own') return;
  if (name === 'css') {
    for (const property in value ?? {}) node.style.setProperty(property, value[property]);
  } else if (name.startsWith('on')) {
    if (value !== null && typeof value !== 'function') throw new TypeError(`${name} is no function`);
    node[name] = value;
  } else if (name === 'checked' || name === 'indeterminate' || name === 'disabled') {
    node[name] = value === true;
  } else if (value === before) {
    // What someone typed or opened meanwhile stays.
  } else if (PROPERTIES.has(name)) {
    node[name] = value ?? (name === 'value' ? '' : false);
  } else if (name === 'href' && value !== null && !String(value).startsWith('#')) {
    throw new TypeError('links lead to pages of the dashboard only');
  } else if (name === 'src' || name === 'srcdoc' || name === 'style') {
    throw new TypeError(`${name} is not set by scripts`);
  } else if (value === null || value === undefined || value === false) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? '' : String(value));
  }
}
