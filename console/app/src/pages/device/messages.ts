// The messages of a device as they come: bounded, filtered, and told apart by who they are for.
import type { Message } from '../../lib/mqtt';
import { preview } from '../../components/payload';

export const most = 1000; // kept

export type Way = 'in' | 'out' | 'own'; // from the device, to it, sent on this page

export interface Seen extends Message { channel: string; way: Way; line: string }

// Channels on which the platform speaks to a device.
const outward = /^(_updates\/|_rejected$)/;

// see makes of a message what the list shows. sent are payloads that this page has just published, by topic.
export function see(m: Message, prefix: string, sent: Map<string, string[]>): Seen {
  const channel = m.topic.startsWith(prefix) ? m.topic.slice(prefix.length) : m.topic;
  const line = preview(m.payload);
  const mine = sent.get(m.topic);
  const i = mine?.indexOf(line) ?? -1;
  if (mine && i >= 0) mine.splice(i, 1);
  return { ...m, channel, line, way: i >= 0 ? 'own' : outward.test(channel) ? 'out' : 'in' };
}

// fits tells whether a message has all words of a filter, in its channel or its payload.
export function fits(m: Seen, filter: string): boolean {
  const all = `${m.channel}\n${m.line}`.toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((w) => all.includes(w));
}

// add puts new messages, oldest first, above those that are there.
export const add = (list: Seen[], come: Seen[]): Seen[] => [...come.slice(-most).reverse(), ...list].slice(0, most);

// prefixOf is what the topics of all channels of a device begin with.
export function prefixOf(channels: { channel: string; channelTemplateName: string }[]): string {
  const c = channels[0];
  return c ? c.channel.slice(0, c.channel.length - c.channelTemplateName.length) : '';
}
