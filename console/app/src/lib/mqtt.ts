import type { MqttClient } from 'mqtt';
import { useEffect, useRef, useState } from 'react';
import { freshToken } from '../api/session';

export interface Message { id: number; time: number; topic: string; payload: Uint8Array; qos: number; retain: boolean; dup: boolean }

export type MQTTState = 'connecting' | 'connected' | 'offline' | 'refused';

// A Connection is MQTT over the page's own WebSocket, signed in as the admin. Its methods may be called at any time; what
// is subscribed to is subscribed to again after a break.
export interface Connection {
  state: MQTTState;
  subscribe(filter: string, qos?: 0 | 1 | 2): Promise<string | null>; // the reason of a refusal, null when granted
  unsubscribe(filter: string): void;
  publish(topic: string, payload: string | Uint8Array, options?: { qos?: 0 | 1 | 2; retain?: boolean }): Promise<void>;
}

let messages = 0;

// useMQTT connects while enabled. onMessage gets each message; it may change from render to render.
export function useMQTT(enabled: boolean, onMessage: (m: Message) => void): Connection {
  const [state, setState] = useState<MQTTState>('connecting');
  const client = useRef<MqttClient | null>(null);
  const ready = useRef(Promise.withResolvers<MqttClient>());
  const handler = useRef(onMessage);
  useEffect(() => { handler.current = onMessage; });

  useEffect(() => {
    if (!enabled) return;
    let over = false;
    let c: MqttClient | null = null;
    const waiting = Promise.withResolvers<MqttClient>();
    ready.current = waiting;
    setState('connecting');
    void (async () => {
      const [{ default: mqtt }, token] = await Promise.all([import('mqtt'), freshToken()]);
      if (over) return;
      if (token === null) { setState('refused'); return; }
      c = mqtt.connect(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/mqtt`, {
        protocolVersion: 4, clean: true, clientId: `console-${crypto.randomUUID().slice(0, 13)}`,
        username: 'Auth:JWT', password: token, keepalive: 30, reconnectPeriod: 2000, resubscribe: true,
        timerVariant: 'native', // otherwise it makes a worker out of a blob, which the content policy forbids
      });
      client.current = c;
      c.on('connect', () => { setState('connected'); waiting.resolve(c!); });
      c.on('close', () => { if (!over) setState((s) => (s === 'refused' ? s : 'offline')); });
      c.on('error', (e) => { if ('code' in e && (e.code === 4 || e.code === 5)) setState('refused'); });
      // The token of the first connection runs out; each new one shows a fresh one.
      c.on('reconnect', () => { void freshToken().then((t) => { if (t && c) c.options.password = t; }, () => {}); });
      c.on('message', (topic, payload, packet) => handler.current({
        id: ++messages, time: Date.now(), topic, payload: new Uint8Array(payload), qos: packet.qos, retain: packet.retain, dup: packet.dup,
      }));
    })().catch(() => { if (!over) setState('offline'); });
    return () => { over = true; client.current = null; c?.end(true); };
  }, [enabled]);

  const [methods] = useState(() => ({
    async subscribe(filter: string, qos: 0 | 1 | 2 = 0) {
      const c = await ready.current.promise;
      return new Promise<string | null>((resolve) => {
        c.subscribe(filter, { qos }, (err, granted) => {
          if (granted?.some((g) => Number(g.qos) === 128)) resolve('The server refused this filter.');
          else resolve(err ? err.message : null);
        });
      });
    },
    unsubscribe(filter: string) { client.current?.unsubscribe(filter); },
    async publish(topic: string, payload: string | Uint8Array, options: { qos?: 0 | 1 | 2; retain?: boolean } = {}) {
      const c = await ready.current.promise;
      await c.publishAsync(topic, payload as string, { qos: options.qos ?? 1, retain: options.retain ?? false });
    },
  }));
  return { state, ...methods };
}

// text shows a payload as text when it is text, else null.
export function text(payload: Uint8Array): string | null {
  try {
    const s = new TextDecoder('utf-8', { fatal: true }).decode(payload);
    return /[\u0000-\u0008\u000e-\u001f]/.test(s) ? null : s;
  } catch {
    return null;
  }
}
