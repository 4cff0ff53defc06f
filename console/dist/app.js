// The console's first small version: make the first account, sign in, connect the first device and see its data arrive.
// Everything goes over the same REST API that scripts use; the session is the HttpOnly cookie.

const main = document.getElementById('main');
const nav = document.getElementById('nav');

// el makes an element. Texts become text nodes, so nothing that comes from a device can become markup.
function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (k === 'class') e.className = v;
    else if (k in e) e[k] = v;
    else e.setAttribute(k, v);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return e;
}

function show(...children) { main.replaceChildren(...children); }

async function api(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  let data = {};
  try { data = await answer.json(); } catch { /* an empty or foreign answer has no message */ }
  if (!answer.ok) {
    const detail = data.error?.details?.[0];
    const error = new Error(detail?.message || data.message || `The server answered ${answer.status}.`);
    error.status = answer.status;
    throw error;
  }
  return data;
}

// A token's payload tells account and user; it is read, not checked: that is the server's business.
function claims(jwt) {
  const bytes = Uint8Array.from(atob(jwt.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

// field returns a labelled input.
function field(label, props, hint) {
  return el('label', {}, label, el('input', { required: true, ...props }), hint ? el('small', {}, hint) : null);
}

// form wires submit: the button waits, a failure is said below it.
function form(button, fields, submit) {
  const error = el('p', { class: 'error', role: 'alert' });
  const go = el('button', { type: 'submit' }, button);
  return el('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      error.textContent = '';
      go.disabled = true;
      try {
        await submit(Object.fromEntries(new FormData(event.target)));
      } catch (e) {
        error.textContent = e.message;
      } finally {
        go.disabled = false;
      }
    },
  }, fields, error, el('div', {}, go));
}

// code shows a command with a button to copy it.
function code(text) {
  const copy = el('button', {
    type: 'button', class: 'quiet',
    onclick: async () => {
      try { await navigator.clipboard.writeText(text); copy.textContent = 'Copied'; } catch { copy.textContent = 'Select it'; }
      setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
    },
  }, 'Copy');
  return el('div', { class: 'code' }, el('pre', {}, text), copy);
}

function setupPage(token) {
  nav.replaceChildren();
  show(el('div', { class: 'narrow' },
    el('h1', {}, 'Welcome'),
    el('p', { class: 'dim' }, 'Make the first account and its administrator. The link you followed works once.'),
    el('div', { class: 'card' }, form('Create account', [
      field('Account name', { name: 'accountName', maxLength: 128, autocomplete: 'organization', autofocus: true }, 'Your company or product'),
      field('E-mail address', { name: 'emailAddress', type: 'email', autocomplete: 'username' }),
      field('Password', { name: 'password', type: 'password', minLength: 8, maxLength: 128, autocomplete: 'new-password' }, '8 to 128 characters'),
    ], async (values) => {
      await api('POST', '/api/v1/setup', { token, ...values });
      history.replaceState(null, '', '/'); // the token must not stay in the address bar
      await start();
    }))));
}

function signInPage() {
  nav.replaceChildren();
  show(el('div', { class: 'narrow' },
    el('h1', {}, 'Sign in'),
    el('div', { class: 'card' }, form('Sign in', [
      field('E-mail address', { name: 'emailAddress', type: 'email', autocomplete: 'username', autofocus: true }),
      field('Password', { name: 'password', type: 'password', autocomplete: 'current-password' }),
    ], async (values) => {
      await api('POST', '/api/v1/auth/login-user', values);
      await start();
    }))));
}

async function homePage(session) {
  const accountId = session.accountId;
  nav.replaceChildren(el('button', {
    class: 'quiet', onclick: async () => { await api('POST', '/api/v1/auth/logout', {}).catch(() => {}); signInPage(); },
  }, 'Sign out'));
  const settings = await api('GET', '/settings.json');
  const devices = el('div', { class: 'scroll' });
  const connected = el('div', {});
  show(
    el('h1', {}, 'Your devices'),
    el('section', { class: 'card' }, devices),
    el('section', { class: 'card' },
      el('h2', {}, 'Connect a device'),
      el('p', { class: 'dim' }, 'This makes a device of the template “Sensor”, whose channel keeps what is published to it, and a secret to connect with.'),
      form('Create device', [el('div', { class: 'row' },
        field('Serial number', { name: 'serial', value: 'sensor-1', maxLength: 128 }),
        field('Channel', { name: 'channel', value: 'temp', maxLength: 64, pattern: '[A-Za-z0-9][A-Za-z0-9_\\-]*', title: 'letters, digits, _ and -' }))],
      async ({ serial, channel }) => {
        const device = await createDevice(accountId, serial, channel);
        connected.replaceChildren(...instructions(settings, device));
        listDevices(accountId, devices);
      })),
    connected,
    el('p', { class: 'dim' }, 'Account ', accountId, '. The same from a terminal: ', el('code', {}, 'xively --help'), '.'),
  );
  await listDevices(accountId, devices);
}

async function listDevices(accountId, into) {
  const { devices } = await api('GET', `/api/v1/devices?accountId=${accountId}&pageSize=10&sortBy=created&sortOrder=desc`);
  if (devices.results.length === 0) {
    into.replaceChildren(el('p', { class: 'dim' }, 'None yet. Connect the first one below.'));
    return;
  }
  into.replaceChildren(el('table', {},
    el('thead', {}, el('tr', {}, ['Serial number', 'State', 'Connection'].map((t) => el('th', {}, t)))),
    el('tbody', {}, devices.results.map((d) => el('tr', {},
      el('td', {}, d.serialNumber), el('td', {}, d.provisioningState),
      el('td', {}, el('span', { class: d.connected ? 'state on' : 'state' }, d.connected ? 'online' : 'offline')))))),
  devices.meta.count > 10 ? el('p', { class: 'dim' }, `The newest 10 of ${devices.meta.count}.`) : '');
}

// createDevice makes what is missing: the template, its channel, the device, its secret.
async function createDevice(accountId, serialNumber, channel) {
  const { deviceTemplates } = await api('GET', `/api/v1/devices/templates?accountId=${accountId}&pageSize=1000`);
  let template = deviceTemplates.results.find((t) => t.name === 'Sensor');
  if (!template) {
    ({ deviceTemplate: template } = await api('POST', '/api/v1/devices/templates', { accountId, name: 'Sensor' }));
  }
  const full = (await api('GET', `/api/v1/devices/templates/${template.id}`)).deviceTemplate;
  if (!(full.channelTemplates || []).some((c) => c.name === channel)) {
    await api('POST', '/api/v1/channels/templates',
      { accountId, entityId: template.id, entityType: 'deviceTemplate', name: channel, persistenceType: 'timeSeries' });
  }
  const { device } = await api('POST', '/api/v1/devices', { accountId, deviceTemplateId: template.id, serialNumber });
  const { mqttCredential } = await api('POST', '/api/v1/access/mqtt-credentials',
    { accountId, entityId: device.id, entityType: 'device' });
  return { id: device.id, secret: mqttCredential.secret, topic: `xi/blue/v1/${accountId}/d/${device.id}/${channel}` };
}

function instructions(settings, device) {
  const host = location.hostname;
  const port = settings.mqttsPort || settings.tlsPort;
  const trust = settings.authority ? '--cafile ca.pem' : '--capath /etc/ssl/certs';
  const points = el('div', { class: 'scroll' }, el('p', { class: 'dim' }, 'Waiting for the first point…'));
  watch(device.topic, points);
  return [el('section', { class: 'card' },
    el('h2', {}, 'Publish to it'),
    settings.authority ? el('p', {}, 'Save ', el('a', { href: '/ca.pem', download: 'ca.pem' }, 'ca.pem'), ', the authority this server’s certificate comes from. Then:') : null,
    code(`mosquitto_pub -h ${host} -p ${port} ${trust} -q 1 \\\n  -u ${device.id} \\\n  -P '${device.secret}' \\\n  -t ${device.topic} \\\n  -m ',,21.5,'`),
    el('p', { class: 'dim' }, 'The secret is shown only now. The message is one line of CSV: time, category, number, text; an empty time means now.')),
  el('section', { class: 'card' }, el('h2', {}, 'What arrived'), points)];
}

// watch shows the newest points of a topic until the page shows something else.
async function watch(topic, into) {
  const path = `/api/v4/data/${topic.split('/').map(encodeURIComponent).join('/')}/latest?pageSize=10`;
  do {
    try {
      const { result } = await api('GET', path);
      into.replaceChildren(el('table', {},
        el('thead', {}, el('tr', {}, ['Time', 'Category', 'Number', 'Text'].map((t) => el('th', {}, t)))),
        el('tbody', {}, result.map((p) => el('tr', {},
          el('td', {}, new Date(p.time).toLocaleString()), el('td', {}, p.category ?? ''),
          el('td', { class: 'number' }, p.numericValue ?? ''), el('td', {}, p.stringValue ?? ''))))));
    } catch (e) {
      if (e.status === 401) { signInPage(); return; }
      // 404 means that there are no points yet; anything else may be over at the next look
    }
    await new Promise((resolve) => { setTimeout(resolve, 2000); });
  } while (into.isConnected);
}

async function start() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (location.pathname === '/setup' && token) { setupPage(token); return; }
  let session;
  try {
    session = claims((await api('POST', '/api/v1/sessions/renew-session', {})).jwt);
  } catch (e) {
    if (e.status !== 401) { failed(e); return; }
    signInPage();
    return;
  }
  try { await homePage(session); } catch (e) { failed(e); }
}

function failed(e) {
  show(el('div', { class: 'narrow' }, el('h1', {}, 'That did not work'), el('p', { class: 'error', role: 'alert' }, e.message),
    el('button', { onclick: start }, 'Try again')));
}

start();
