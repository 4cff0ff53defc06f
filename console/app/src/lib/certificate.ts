// The X.509 certificate of a device, in the form the server takes: PEM, and nothing but the certificate.
import { api, must } from '../api/client';

const lines = (s: string) => s.replace(/.{64}(?=.)/g, '$&\n');

// pemOf is the text of a certificate's file. DER, which begins an ASN.1 sequence, is put into the form of PEM.
export function pemOf(file: Uint8Array): string {
  const text = new TextDecoder().decode(file);
  if (file[0] !== 0x30 || text.includes('-----BEGIN')) return text;
  let bytes = '';
  for (const b of file) bytes += String.fromCharCode(b);
  return `-----BEGIN CERTIFICATE-----\n${lines(btoa(bytes))}\n-----END CERTIFICATE-----\n`;
}

// certificateError says what keeps a text from being sent. A private key never leaves this page.
export function certificateError(text: string): string | undefined {
  if (/PRIVATE KEY-----/.test(text)) return 'This holds a private key. It belongs to the device alone: put in the certificate without it.';
  if (text.trim() !== '' && !text.includes('-----BEGIN CERTIFICATE-----')) return 'A certificate in PEM begins with -----BEGIN CERTIFICATE-----.';
  return undefined;
}

export const registerCertificate = async (deviceId: string, certificate: string) =>
  (await must(api.POST('/api/v1/access/mqtt-credentials', { body: { entityId: deviceId, entityType: 'device', certificate } }))).mqttCredential;

const day = 24 * 3600_000;

// expiry is how a certificate stands that ends at a time: for a month before, it is time for the next.
export function expiry(notAfter: string, now = Date.now()): 'good' | 'soon' | 'over' {
  const left = new Date(notAfter).getTime() - now;
  return left <= 0 ? 'over' : left < 30 * day ? 'soon' : 'good';
}
