import { expect, test } from 'vitest';
import { certificateError, expiry, pemOf } from './certificate';

test('a DER file becomes PEM, PEM stays as it is', () => {
  const der = new Uint8Array(100).fill(0xff);
  der[0] = 0x30;
  const pem = pemOf(der);
  expect(pem.split('\n').slice(0, 2)).toEqual(['-----BEGIN CERTIFICATE-----', `MP${'/'.repeat(62)}`]);
  expect(pem.endsWith('\n-----END CERTIFICATE-----\n')).toBe(true);
  expect(Uint8Array.from(atob(pem.replace(/-----.*-----|\n/g, '')), (c) => c.charCodeAt(0))).toEqual(der);
  const text = '0 words\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'; // 0 is 0x30
  expect(pemOf(new TextEncoder().encode(text))).toBe(text);
});

test('a private key is not sent', () => {
  const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  expect(certificateError(certificate)).toBeUndefined();
  expect(certificateError('')).toBeUndefined();
  expect(certificateError('hello')).toContain('begins with');
  for (const kind of ['', 'EC ', 'RSA ', 'ENCRYPTED ']) expect(certificateError(`${certificate}-----BEGIN ${kind}PRIVATE KEY-----`)).toContain('private key');
});

test('when a certificate ends', () => {
  const now = Date.parse('2026-11-27T12:00:00Z');
  expect(['2026-11-27T11:59:59Z', '2026-12-20T00:00:00Z', '2027-11-27T00:00:00Z'].map((t) => expiry(t, now))).toEqual(['over', 'soon', 'good']);
});
