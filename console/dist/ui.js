// The few parts all pages are made of.

const main = document.getElementById('main');
const nav = document.getElementById('nav');

// el makes an element. Texts become text nodes, so nothing that comes from a device or a person can become markup.
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (k === 'class') e.className = v;
    else if (k in e) e[k] = v;
    else e.setAttribute(k, v);
  }
  e.append(...children.flat(2).filter((c) => c !== null && c !== undefined));
  return e;
}

export function show(title, ...children) {
  document.title = `${title} · xively`;
  main.replaceChildren(...children.flat(2));
}

// showNarrow shows a page of one form, for people who are not signed in.
export function showNarrow(title, ...children) {
  nav.replaceChildren();
  narrow(title, children);
}

function narrow(title, ...children) {
  const heading = el('h1', { tabIndex: -1 }, title);
  show(title, el('div', { class: 'narrow' }, heading, children));
  if (!main.querySelector('[autofocus]')) heading.focus(); // so that it is read out when it takes another page's place
}

export function showNav(...links) { nav.replaceChildren(...links); }

// failed leaves the navigation, so that somebody without a place in the account can still sign out.
export function failed(e) {
  narrow('That did not work', failure(e.message), el('button', { onclick: () => location.reload() }, 'Try again'));
}

export function failure(text = '') { return el('p', { class: 'error', role: 'alert' }, text); }

// field returns a labelled input.
export function field(label, props, hint) {
  return el('label', {}, label, el('input', { required: true, ...props }), hint ? el('small', {}, hint) : null);
}

// newPassword returns a field for a password to choose, which can be shown. It names no rule but the length: the server
// has the others and says which one is broken.
export function newPassword(name) {
  const label = field('New password', { name, type: 'password', minLength: 8, maxLength: 128, autocomplete: 'new-password' }, '8 to 128 characters');
  const input = label.querySelector('input');
  return [label, check({ onchange: (e) => { input.type = e.target.checked ? 'text' : 'password'; } }, 'Show the password')];
}

export function check(props, text) {
  return el('label', { class: 'check' }, el('input', { type: 'checkbox', ...props }), el('span', {}, text));
}

export function choice(label, name, options, hint) {
  return el('label', {}, label,
    el('select', { name }, options.map(([value, text]) => el('option', { value }, text))), hint ? el('small', {}, hint) : null);
}

// form wires submit: the button waits, a failure is said above it. submit gets the values, the FormData and the form.
// beside stands next to the button.
export function form(button, fields, submit, beside = null) {
  const error = failure();
  const go = el('button', { type: 'submit' }, button);
  return el('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      const data = new FormData(event.target);
      error.textContent = '';
      go.disabled = true;
      try {
        await submit(Object.fromEntries(data), data, event.target);
      } catch (e) {
        error.textContent = e.message;
      } finally {
        go.disabled = false;
      }
    },
  }, fields, error, el('div', { class: 'buttons' }, go, beside));
}

// action is a button that does something and waits for it; a failure is said in error. When its row has gone, its
// section's heading gets the focus.
export function action(label, error, run, props = {}) {
  return el('button', {
    type: 'button', class: 'quiet', ...props,
    onclick: async ({ currentTarget: button }) => {
      const section = button.closest('section');
      error.textContent = '';
      button.disabled = true;
      try {
        await run();
      } catch (e) {
        error.textContent = e.message;
      } finally {
        button.disabled = false;
      }
      if (!button.isConnected && document.activeElement === document.body) section?.querySelector('h2').focus();
    },
  }, label);
}

export function section(title, ...children) {
  return el('section', { class: 'card', 'aria-label': title }, el('h2', { tabIndex: -1 }, title), children);
}

// rows lists things: each with a title, a line about it and perhaps a button.
export function rows(items, empty) {
  if (items.length === 0) return el('p', { class: 'dim' }, empty);
  return el('ul', { class: 'rows' }, items.map(({ title, about, button }) => el('li', {},
    el('div', {}, el('strong', {}, title), el('div', { class: 'dim' }, about)), button)));
}

// code shows a text to take along, with a button to copy it.
export function code(text, label = '') {
  const copy = el('button', {
    type: 'button', class: 'quiet',
    onclick: async () => {
      try { await navigator.clipboard.writeText(text); say('Copied'); } catch { say('Select it'); }
      setTimeout(say, 1500, 'Copy');
    },
  });
  const say = (word) => { copy.textContent = word; copy.setAttribute('aria-label', `${word} ${label}`.trim()); };
  say('Copy');
  return el('div', { class: 'code' }, el('pre', {}, text), copy);
}

// dialog shows a form above the page. ask gets close, to be called with the answer, and a button to cancel; closed
// otherwise, the answer is null.
export function dialog(title, ask) {
  return new Promise((resolve) => {
    let answer = null;
    const box = el('dialog', { 'aria-label': title, onclose: () => { box.remove(); resolve(answer); } });
    const close = (value) => { answer = value; box.close(); };
    const cancel = el('button', { type: 'button', class: 'quiet', onclick: () => close(null) }, 'Cancel');
    box.append(el('h2', {}, title), ...ask(close, cancel));
    document.body.append(box);
    box.showModal();
  });
}

// sure asks before something that cannot be undone.
export function sure(title, text, button) {
  return dialog(title, (close, cancel) => [el('p', {}, text), form(button, [], () => close(true), cancel)]);
}

export function when(time) { return time ? new Date(time).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' }) : ''; }
