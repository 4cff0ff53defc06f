import type { Device } from '../../api/client';
import { byCertificate } from './load';
import { curl, type Hint } from '../../components/hints';

// deviceHints are the commands that do what a tab does.
export function deviceHints(d: Device, tab: string): Hint[] {
  const channel = d.channels.find((c) => c.persistenceType === 'timeSeries') ?? d.channels[0];
  const topic = channel?.channel ?? '';
  const prefix = topic.slice(0, topic.length - (channel?.channelTemplateName.length ?? 0));
  const own: Record<string, Hint[]> = {
    overview: [
      { title: 'This device', command: curl('GET', `/api/v1/devices/${d.id}?expand=device-template,organization`) },
      { title: 'Change a field', command: `${curl('PUT', `/api/v1/devices/${d.id}`, { location: 'Kitchen' })} \\\n  -H 'etag: ${d.version}'` },
      { title: 'From the device itself', command: `mosquitto_pub … -t '${prefix}_set/fields' -m '{"state":{"firmwareVersion":"1.1.0"}}'` },
    ],
    live: [
      { title: 'Follow its messages', command: `xively sub '${prefix}#'` },
      { title: 'Publish one', command: `xively pub '${topic}' 21.5` },
      { title: 'Over REST', command: curl('POST', `/messaging/publish/${topic}`, 21.5) },
    ],
    data: [
      { title: 'The points of a channel', command: curl('GET', `/api/v4/data/${topic}?startDateTime=2026-01-01T00:00:00Z`) },
      { title: 'By the hour', command: curl('GET', `/api/v4/data/${topic}?interval=1h&aggregate=avg,min,max`) },
      { title: 'On the command line', command: `xively data get '${topic}'` },
    ],
    logs: [{ title: 'Its entries', command: `xively logs search 'sourceId:${d.id}'` }, { title: 'Write one as the device', command: `mosquitto_pub … -t '${prefix}_log' -m '{"severity":"notice","message":"hello"}'` }],
    diagnose: [{ title: 'The diagnosis', command: curl('GET', `/api/v1/devices/${d.id}/diagnosis`) }, { title: 'Switch the flight recorder on', command: curl('POST', `/api/v1/devices/${d.id}/recorder`, { minutes: 15 }) }],
    access: [{ title: 'Who can reach it', command: curl('GET', `/api/v1/access/devices/${d.id}/users`) }],
    credentials: [
      byCertificate(d) ? { title: 'Register a certificate', command: `xively credentials create ${d.id} --certificate cert.pem` }
        : { title: 'Make a new secret', command: curl('POST', '/api/v1/access/mqtt-credentials', { entityId: d.id, entityType: 'device' }) },
      { title: 'Make an association code', command: curl('POST', '/api/v1/association/create-association-code', { deviceId: d.id }) },
    ],
    audit: [{ title: 'Who changed what', command: curl('GET', `/api/v1/audit?objectId=${d.id}`) }],
  };
  return own[tab] ?? own.overview;
}
