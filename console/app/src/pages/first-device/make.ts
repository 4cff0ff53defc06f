// What a first device needs: a template with a channel, the device, its credentials.
import { api, must } from '../../api/client';

export interface Wanted { templateId: string | null; templateName: string; authenticationMethod: 'password' | 'certificate'; channel: string; serialNumber: string; name: string }

export interface Made { deviceId: string; secret: string | null } // no secret for a device that signs in with a certificate

// A channel's name is the end of a topic.
export function channelError(name: string): string | undefined {
  const n = name.trim();
  if (n === '') return 'Give it a name, such as temperature.';
  if (/[+#\u0000-\u001f]/.test(n)) return 'A channel is the end of an MQTT topic: without +, # and control characters.';
  if (n.startsWith('_') || n.startsWith('/') || n.endsWith('/')) return 'It cannot begin with _ or /, or end with /.';
  return undefined;
}

// make does it all. What is there already is used: a person may come back after half of it.
export async function make(w: Wanted): Promise<Made> {
  let deviceTemplateId = w.templateId;
  if (deviceTemplateId === null) {
    const { deviceTemplate } = await must(api.POST('/api/v1/devices/templates', { body: { name: w.templateName.trim(), authenticationMethod: w.authenticationMethod } }));
    deviceTemplateId = deviceTemplate.id;
    await must(api.POST('/api/v1/channels/templates', { body: { entityId: deviceTemplateId, entityType: 'deviceTemplate', name: w.channel.trim(), persistenceType: 'timeSeries' } }));
  }
  const { device } = await must(api.POST('/api/v1/devices', { body: { deviceTemplateId, serialNumber: w.serialNumber.trim(), name: w.name.trim() || null } }));
  return { deviceId: device.id, secret: w.authenticationMethod === 'certificate' ? null : await secretFor(device.id) };
}

export const secretFor = async (deviceId: string) =>
  (await must(api.POST('/api/v1/access/mqtt-credentials', { body: { entityId: deviceId, entityType: 'device' } }))).mqttCredential.secret ?? '';

// publishAs sends a message as the device does: with its own credentials, not with the cookie of the admin.
export async function publishAs(m: { deviceId: string; secret: string }, topic: string, payload: string): Promise<void> {
  const basic = btoa(String.fromCharCode(...new TextEncoder().encode(`${m.deviceId}:${m.secret}`)));
  const answer = await fetch(`/messaging/publish/${topic.split('/').map(encodeURIComponent).join('/')}`, { method: 'POST', body: payload, credentials: 'omit', headers: { Authorization: `Basic ${basic}` } });
  if (!answer.ok) throw new Error(`The server refused the message: ${answer.status}.`);
}
