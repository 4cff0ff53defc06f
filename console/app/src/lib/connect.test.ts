import { expect, test } from 'vitest';
import { reachOf } from './connect';

test('where devices reach the server', () => {
  const page = { origin: 'http://127.0.0.1:8080', hostname: '127.0.0.1' };
  expect(reachOf({ mqttsPort: 8883, tlsPort: 8443 }, page)).toEqual({ local: true, host: '127.0.0.1', port: 8883, origin: 'http://127.0.0.1:8080' });
  expect(reachOf({ mqttsPort: 0, tlsPort: 8443, publicUrl: 'https://iot.example.com' }, page)).toEqual({ local: false, host: 'iot.example.com', port: 8443, origin: 'https://iot.example.com' });
  expect(reachOf({ mqttsPort: 8883, tlsPort: 8443, publicUrl: 'http://localhost:8080' }, { origin: 'https://box.lan:8443', hostname: 'box.lan' })).toEqual({ local: false, host: 'box.lan', port: 8883, origin: 'https://box.lan:8443' });
  expect(reachOf({ mqttsPort: 8883, tlsPort: 0, publicUrl: 'nonsense' }, { origin: 'https://[::1]:8443', hostname: '[::1]' })).toEqual({ local: true, host: '::1', port: 8883, origin: 'https://[::1]:8443' });
});
