import { describe, expect, test } from 'vitest';
import { c, go, js, keyPair, python, snippets, type Target } from './snippets';

// What somebody might call a thing to break out of a literal.
const nasty = `a"b'c\\d$e\`f%g\n\r\0\u0007??/\u2028\u007f#{x}${'${y}'} ä😀`;

const plain: Target = {
  host: 'iot.example.com', port: 8883, origin: 'https://iot.example.com:8443', caPem: '-----BEGIN CERTIFICATE-----\nAAAA+/==\n-----END CERTIFICATE-----\n',
  deviceId: '0387c96c-1133-419a-979c-5ff6dcc12cc7', secret: '1hw+LJbLpxkVYOyBzYCk1HzzZMOYaI5+TXEBq2icjmA=', topic: 'xi/blue/v1/a/d/b/temperature', payload: '21.5',
};

test('a literal of JavaScript reads back', () => {
  expect(new Function(`return ${js(nasty)}`)()).toBe(nasty);
  expect(js(nasty)).not.toMatch(/[\u0000-\u001f\u2028]/);
});

test('other literals hold no sign that ends them', () => {
  for (const literal of [python(nasty), go(nasty), c(nasty)]) {
    expect(literal).not.toMatch(/[\u0000-\u001f\u007f]/);
    expect(literal.slice(1, -1).replace(/\\[\\"?]/g, '')).not.toContain('"');
  }
  expect(c('a\u00011')).toBe('"a\\0011"'); // three digits: the 1 after it is a character of its own
  expect(c('??/')).toBe('"\\?\\?/"');
  expect(go('\n"')).toBe('"\\x0a\\""');
  expect(python('\ud800')).toBe('"\ufffd"');
});

describe('snippets', () => {
  const of = (name: string, t: Partial<Target> = {}) => snippets({ ...plain, ...t }).find((s) => s.name === name)!.text;

  test('all languages have the address, the device, the secret and the topic', () => {
    const list = snippets(plain);
    expect(list.map((s) => s.name)).toEqual(['mosquitto_pub', 'curl', 'Python', 'Node.js', 'Go', 'C', 'Arduino', 'ESP-IDF', 'MicroPython']);
    for (const s of list) for (const part of [plain.host, plain.deviceId, plain.secret, plain.topic, plain.payload]) expect(s.text, s.name).toContain(part);
  });

  test('a certificate stands in the place of a secret', () => {
    const list = snippets({ ...plain, secret: null });
    expect(list.map((s) => s.name)).toEqual(['mosquitto_pub', 'Python', 'Node.js', 'Go', 'C', 'Arduino', 'ESP-IDF', 'MicroPython']);
    for (const s of list) {
      for (const part of [plain.host, plain.deviceId, plain.topic, plain.payload]) expect(s.text, s.name).toContain(part);
      expect(s.text, s.name).toMatch(/cert\.(pem|der)[^]*key\.(pem|der)/);
      expect(s.text, s.name).not.toMatch(/SECRET|"null"|'null'|username|-P /);
    }
    expect(of('mosquitto_pub', { secret: null })).toContain(`-i ${plain.deviceId} --cert cert.pem --key key.pem`);
    expect(keyPair("a'b")).toContain(`-subj '/CN=a'\\''b'`);
  });

  test('in a shell every odd text is one word', () => {
    expect(of('mosquitto_pub', { topic: "x'; rm -rf ~ #", secret: '-P' })).toContain(`-t 'x'\\''; rm -rf ~ #'`);
    expect(of('mosquitto_pub', { secret: '-P' })).toContain(`-P '-P'`);
    expect(of('curl', { topic: 'a b/ä' })).toContain('/messaging/publish/a%20b/%C3%A4');
  });

  test('odd texts do not get out of a literal', () => {
    for (const s of snippets({ ...plain, topic: nasty, secret: nasty, payload: nasty, deviceId: nasty, host: nasty })) {
      if (s.language === 'shell') continue;
      expect(s.text, s.name).not.toContain(nasty);
      expect(s.text, s.name).not.toMatch(/[\u0000-\u0008\u000b-\u001f]/);
    }
    const body = of('Node.js', { topic: nasty, secret: nasty });
    expect(() => new Function(`return async () => {${body.replace(/^import.*$/gm, '')}}`)).not.toThrow();
  });

  test('a certificate that everybody trusts needs no file', () => {
    for (const s of snippets({ ...plain, caPem: null })) expect(s.text, s.name).not.toContain('ca.pem');
    expect(of('ESP-IDF', { caPem: null })).toContain('esp_crt_bundle_attach');
    expect(of('Arduino')).toContain('"AAAA+/==\\n"');
  });

  test('an IPv6 address is in brackets where a URL holds it', () => {
    expect(of('Go', { host: '::1' })).toContain('ssl://[::1]:8883');
    expect(of('mosquitto_pub', { host: '::1' })).toContain('-h ::1');
  });
});
