// The first page: connect the first device and see its data arrive.

import { api } from './api.js';
import { code, el, field, form, section, show } from './ui.js';

// homePage shows the newest devices and connects one more: its template, its secret, and its data as they arrive.
export async function homePage({ accountId }) {
  const settings = await api('GET', '/settings.json');
  const devices = el('div', { class: 'scroll' });
  const connected = el('div', {});
  show('Your devices',
    el('h1', {}, 'Your devices'),
    el('section', { class: 'card' }, devices),
    section('Connect a device',
      el('p', { class: 'dim' }, 'This makes a device of the template “Sensor”, whose channel keeps what is published to it, and a secret to connect with.'),
      form('Create device', [el('div', { class: 'row' },
        field('Serial number', { name: 'serial', value: 'sensor-1', maxLength: 128 }),
        field('Channel', { name: 'channel', value: 'temp', maxLength: 64, pattern: '[A-Za-z0-9][A-Za-z0-9_\\-]*', title: 'letters, digits, _ and -' }))],
      async ({ serial, channel }) => {
        const device = await createDevice(accountId, serial, channel);
        connected.replaceChildren(...instructions(settings, device));
        connected.querySelector('h2').focus();
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
  return [section('Publish to it',
    settings.authority ? el('p', {}, 'Save ', el('a', { href: '/ca.pem', download: 'ca.pem' }, 'ca.pem'), ', the authority this server’s certificate comes from. Then:') : null,
    code(`mosquitto_pub -h ${host} -p ${port} ${trust} -q 1 \\\n  -u ${device.id} \\\n  -P '${device.secret}' \\\n  -t ${device.topic} \\\n  -m ',,21.5,'`),
    el('p', { class: 'dim' }, 'The secret is shown only now. The message is one line of CSV: time, category, number, text; an empty time means now.')),
  section('What arrived', points)];
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
      if (e.status === 401) { location.reload(); return; }
      // 404 means that there are no points yet; anything else may be over at the next look
    }
    await new Promise((resolve) => { setTimeout(resolve, 2000); });
  } while (into.isConnected);
}
