// What a user gives out to others: personal API keys, invitations, credentials of applications. Each is shown once.

import { api } from './api.js';
import { confirmed } from './confirm.js';
import { action, check, choice, code, el, failure, field, form, rows, section, sure, when } from './ui.js';

// given makes a section of things with a list, a form that makes one, and a place where the new one is shown this once.
// The server says who may see the list: for others there is no section.
async function given({ title, intro, path, key, empty, row, remove, button, fields, make }) {
  const list = el('div');
  const once = el('div');
  const error = failure();
  let shownId;
  const load = async () => {
    const { results } = (await api('GET', `${path}?pageSize=1000`))[key];
    list.replaceChildren(rows(results.map((one) => ({
      ...row(one),
      button: action('Delete', error, async () => {
        if (!await sure(remove.title, remove.text(one), 'Delete')) return;
        await confirmed(() => api('DELETE', `${path}/${encodeURIComponent(one.id)}`));
        if (shownId === one.id) once.replaceChildren();
        await load();
      }, { 'aria-label': `Delete ${one.name ?? one.emailAddress}` }),
    })), empty));
  };
  try {
    await load();
  } catch (e) {
    if (e.status === 403) return null;
    throw e;
  }
  const add = form(button, fields, async (values, data, self) => {
    once.replaceChildren();
    const made = await confirmed(() => api('POST', path, make.body(values, data)));
    self.reset();
    self.parentElement.open = false;
    const [one] = Object.values(made);
    const shown = el('div', { class: 'once', tabIndex: -1 }, make.shown(one));
    shownId = one.id;
    once.replaceChildren(shown);
    shown.focus();
    await load();
  });
  return { element: section(title, el('p', { class: 'dim' }, intro), list, error, once, el('details', {}, el('summary', {}, button), add)) };
}

const day = 24 * 60 * 60 * 1000;

export function apiKeysSection() {
  return given({
    title: 'API keys',
    intro: 'For scripts of yours, instead of a password. A key does what you may do, within its scopes.',
    path: '/api/v1/api-keys', key: 'apiKeys', empty: 'You have none.',
    row: (k) => ({
      title: k.name,
      about: [`${k.keyStart} · ${k.scopes.join(', ')} · `, k.expires ? `runs out ${when(k.expires)}` : 'does not run out',
        k.lastUsed ? ` · last used ${when(k.lastUsed)}` : ' · not used yet'],
    }),
    remove: { title: 'Delete this key?', text: (k) => `What uses “${k.name}” stops working at once.` },
    button: 'New API key',
    fields: [
      field('Name', { name: 'name', maxLength: 128 }, 'What it is for'),
      el('fieldset', {}, el('legend', {}, 'Scopes'),
        check({ name: 'scopes', value: 'read', defaultChecked: true }, 'read: look at everything'),
        check({ name: 'scopes', value: 'write' }, 'write: change things, too'),
        check({ name: 'scopes', value: 'messaging' }, 'messaging: publish and subscribe')),
      choice('Runs out', 'days', [['90', 'in 90 days'], ['30', 'in 30 days'], ['365', 'in a year'], ['', 'never']]),
    ],
    make: {
      body: ({ name, days }, data) => ({
        name, scopes: data.getAll('scopes'), ...(days ? { expires: new Date(Date.now() + days * day).toISOString() } : {}),
      }),
      shown: (k) => [el('p', {}, 'Your new key. It is shown only now.'), code(k.key, 'the key')],
    },
  });
}

export function invitationsSection() {
  return given({
    title: 'Invitations',
    intro: 'Who follows the link within 7 days becomes an admin of this account.',
    path: '/api/v1/invitations', key: 'invitations', empty: 'None are open.',
    row: (i) => ({ title: i.emailAddress, about: `good until ${when(i.expires)}` }),
    remove: { title: 'Delete this invitation?', text: (i) => `The link for ${i.emailAddress} stops working at once.` },
    button: 'Invite an admin',
    fields: [field('E-mail address', { name: 'emailAddress', type: 'email', autocomplete: 'off' })],
    make: {
      body: ({ emailAddress }) => ({ emailAddress }),
      shown: (i) => [el('p', {}, 'The link for ', el('strong', {}, i.emailAddress), '. If this server sends mail, it is on its way; it is shown only now.'),
        code(i.link, 'the link')],
    },
  });
}

export function applicationsSection() {
  return given({
    title: 'Applications',
    intro: 'Programs that call by themselves, sign up end users, or let people sign in here by OpenID.',
    path: '/api/v1/applications', key: 'applications', empty: 'There are none.',
    row: (a) => ({ title: a.name, about: [a.type === 'backEnd' ? 'back end' : 'for end users', ' · appId ', el('code', {}, a.id), ` · token ${a.appTokenStart}`] }),
    remove: { title: 'Delete this application?', text: (a) => `“${a.name}” stops working at once, and everybody it signed in is signed out of it.` },
    button: 'New application',
    fields: [
      field('Name', { name: 'name', maxLength: 128 }),
      choice('Kind', 'type', [['backEnd', 'Back end: on your servers, its token is a secret'], ['endUser', 'For end users: in people’s hands']]),
      el('label', {}, 'Redirect URIs', el('textarea', { name: 'redirectUris', rows: 2, spellcheck: false }),
        el('small', {}, 'For sign-in by OpenID, one on each line; else leave it empty.')),
      check({ name: 'public', value: 'yes' }, 'An OpenID client that can keep no secret: a web page or a phone’s app'),
    ],
    make: {
      body: (values) => ({
        name: values.name, type: values.type, redirectUris: values.redirectUris.split('\n').map((u) => u.trim()).filter((u) => u), public: values.public === 'yes',
      }),
      shown: (a) => [el('p', {}, 'The credentials of ', el('strong', {}, a.name), '. The token is shown only now.'),
        el('div', {}, 'appId'), code(a.appId, 'the appId'), el('div', {}, 'appToken'), code(a.appToken, 'the appToken')],
    },
  });
}
