// Programs with which a device sends its first message. Whatever comes from the directory is put in as a literal of the
// program's language: a name, a topic or a secret can never become code.
import { shellQuote } from './format';

export interface Target {
  host: string;
  port: number; // MQTT over TLS
  origin: string; // of REST, such as https://example.com:8443
  caPem: string | null; // the authority to trust, when it is not one that everybody trusts
  deviceId: string; // the MQTT user name, and client id
  secret: string | null; // its password; null for a device that has a certificate, which lies in cert.pem and its key in key.pem
  topic: string;
  payload: string;
}

export interface Snippet { name: string; file?: string; language: string; before?: string; text: string; note?: string }

const control = (escape: (code: number) => string) => (c: string) => escape(c.charCodeAt(0));

// js is a string literal of JavaScript.
export const js = (s: string) => JSON.stringify(s.toWellFormed()).replace(/[\u2028\u2029\u007f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

// python is a string literal of Python 3 and MicroPython.
export const python = (s: string) => `"${s.toWellFormed().replace(/[\\"]/g, '\\$&').replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029]/g, control((c) => `\\u${c.toString(16).padStart(4, '0')}`))}"`;

// go is a string literal of Go.
export const go = (s: string) => `"${s.toWellFormed().replace(/[\\"]/g, '\\$&').replace(/[\u0000-\u001f\u007f]/g, control((c) => `\\x${c.toString(16).padStart(2, '0')}`))}"`;

// c is a string literal of C and C++. Octal escapes have at most three digits, hexadecimal ones do not end; ?? begins a trigraph.
export const c = (s: string) => `"${s.toWellFormed().replace(/[\\"?]/g, '\\$&').replace(/[\u0000-\u001f\u007f]/g, control((n) => `\\${n.toString(8).padStart(3, '0')}`))}"`;

// cLines is a text of several lines as adjoining literals.
const cLines = (s: string, indent = '  ') => s.trimEnd().split('\n').map((line) => `${indent}${c(`${line}\n`).replace(/\\012"$/, '\\n"')}`).join('\n');

// word is a shell word, always in quotes: a secret may begin with a dash or hold signs that some shells read.
const word = (s: string) => (shellQuote(s) === s && !s.startsWith('-') ? s : `'${s.replaceAll("'", "'\\''")}'`);

// keyPair is the command that makes a device's key and its self-signed certificate.
export const keyPair = (deviceId: string) => `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\
  -subj ${word(`/CN=${deviceId}`)} -days 3650 -keyout key.pem -out cert.pem`;

// snippets are for each language what a person needs to send one message and see it arrive.
export function snippets(t: Target): Snippet[] {
  const ca = t.caPem !== null;
  // A certificate signs nobody in over HTTP.
  return [mosquitto(t, ca), ...(t.secret === null ? [] : [curl(t, t.secret, ca)]), pythonPaho(t, ca), node(t, ca), goPaho(t, ca), cMosquitto(t, ca), arduino(t), espIDF(t), microPython(t, ca)];
}

const mosquitto = (t: Target, ca: boolean): Snippet => ({
  name: 'mosquitto_pub', language: 'shell', before: 'apt install mosquitto-clients',
  text: `mosquitto_pub -h ${word(t.host)} -p ${t.port} ${ca ? '--cafile ca.pem' : '--tls-use-os-certs'} \\
  -i ${word(t.deviceId)} ${t.secret === null ? '--cert cert.pem --key key.pem' : `-u ${word(t.deviceId)} -P ${word(t.secret)}`} \\
  -q 1 -t ${word(t.topic)} -m ${word(t.payload)}`,
});

const curl = (t: Target, secret: string, ca: boolean): Snippet => ({
  name: 'curl', language: 'shell', note: 'Over HTTP, without MQTT: the same message, from what can only send requests.',
  text: `curl ${ca && t.origin.startsWith('https:') ? '--cacert ca.pem ' : ''}-u ${word(`${t.deviceId}:${secret}`)} \\
  --data-raw ${word(t.payload)} \\
  ${word(`${t.origin}/messaging/publish/${t.topic.split('/').map(encodeURIComponent).join('/')}`)}`,
});

const pythonPaho = (t: Target, ca: boolean): Snippet => ({
  name: 'Python', file: 'device.py', language: 'python', before: 'pip install paho-mqtt',
  text: `import paho.mqtt.client as mqtt

HOST, PORT = ${python(t.host)}, ${t.port}
DEVICE = ${python(t.deviceId)}
${t.secret === null ? '' : `SECRET = ${python(t.secret)}\n`}TOPIC = ${python(t.topic)}

try:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=DEVICE)
except AttributeError:  # paho-mqtt before 2.0
    client = mqtt.Client(client_id=DEVICE)
${t.secret === null ? '' : 'client.username_pw_set(DEVICE, SECRET)\n'}client.tls_set(${[ca && 'ca_certs="ca.pem"', t.secret === null && 'certfile="cert.pem", keyfile="key.pem"'].filter(Boolean).join(', ')})
client.connect(HOST, PORT)
client.loop_start()
client.publish(TOPIC, ${python(t.payload)}, qos=1).wait_for_publish()
client.disconnect()`,
});

const node = (t: Target, ca: boolean): Snippet => ({
  name: 'Node.js', file: 'device.mjs', language: 'javascript', before: 'npm install mqtt',
  text: `${ca || t.secret === null ? `import { readFileSync } from 'node:fs';\n` : ''}import mqtt from 'mqtt';

const device = ${js(t.deviceId)};
const client = await mqtt.connectAsync({
  protocol: 'mqtts', host: ${js(t.host)}, port: ${t.port},${ca ? ` ca: readFileSync('ca.pem'),` : ''}
  clientId: device, ${t.secret === null ? `cert: readFileSync('cert.pem'), key: readFileSync('key.pem')` : `username: device, password: ${js(t.secret)}`},
});
await client.publishAsync(${js(t.topic)}, ${js(t.payload)}, { qos: 1 });
await client.endAsync();`,
});

const goPaho = (t: Target, ca: boolean): Snippet => ({
  name: 'Go', file: 'main.go', language: 'go', before: 'go mod init device && go get github.com/eclipse/paho.mqtt.golang',
  text: `package main

import (
	"crypto/tls"${ca ? '\n\t"crypto/x509"' : ''}
	"log"${ca ? '\n\t"os"' : ''}

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	const device = ${go(t.deviceId)}
	trust := &tls.Config{}
${t.secret === null ? `	pair, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}
	trust.Certificates = []tls.Certificate{pair}
` : ''}${ca ? `	pem, err := os.ReadFile("ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	trust.RootCAs = x509.NewCertPool()
	trust.RootCAs.AppendCertsFromPEM(pem)
` : ''}	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(${go(`ssl://${t.host.includes(':') ? `[${t.host}]` : t.host}:${t.port}`)}).
		SetClientID(device)${t.secret === null ? '' : `.SetUsername(device).SetPassword(${go(t.secret)})`}.SetTLSConfig(trust))
	if done := client.Connect(); done.Wait() && done.Error() != nil {
		log.Fatal(done.Error())
	}
	if done := client.Publish(${go(t.topic)}, 1, false, ${go(t.payload)}); done.Wait() && done.Error() != nil {
		log.Fatal(done.Error())
	}
	client.Disconnect(250)
}`,
});

const cMosquitto = (t: Target, ca: boolean): Snippet => ({
  name: 'C', file: 'device.c', language: 'c', before: 'apt install libmosquitto-dev && cc device.c -lmosquitto -o device',
  text: `#include <mosquitto.h>
#include <stdio.h>
#include <string.h>

static void published(struct mosquitto *m, void *data, int id) { mosquitto_disconnect(m); }

static void connected(struct mosquitto *m, void *data, int refused) {
  const char *payload = ${c(t.payload)};
  if (refused) { fprintf(stderr, "%s\\n", mosquitto_connack_string(refused)); mosquitto_disconnect(m); return; }
  mosquitto_publish(m, NULL, ${c(t.topic)}, (int)strlen(payload), payload, 1, false);
}

int main(void) {
  mosquitto_lib_init();
  struct mosquitto *m = mosquitto_new(${c(t.deviceId)}, true, NULL);
${t.secret === null ? '' : `  mosquitto_username_pw_set(m, ${c(t.deviceId)}, ${c(t.secret)});\n`}  mosquitto_tls_set(m, ${ca ? '"ca.pem", NULL' : 'NULL, "/etc/ssl/certs"'}, ${t.secret === null ? '"cert.pem", "key.pem"' : 'NULL, NULL'}, NULL);
  mosquitto_connect_callback_set(m, connected);
  mosquitto_publish_callback_set(m, published);
  int err = mosquitto_connect(m, ${c(t.host)}, ${t.port}, 60);
  if (err == MOSQ_ERR_SUCCESS) err = mosquitto_loop_forever(m, -1, 1);
  if (err != MOSQ_ERR_SUCCESS) fprintf(stderr, "%s\\n", mosquitto_strerror(err));
  return err;
}`,
});

// ownPair is where a program for a board without files has the device's certificate and key.
const ownPair = (cert: string, key: string, t: Target) => (t.secret === null ? `${cert} = R"(
… the lines of cert.pem
)";
${key} = R"(
… the lines of key.pem
)";
` : '');

const arduino = (t: Target): Snippet => ({
  name: 'Arduino', file: 'device.ino', language: 'cpp', before: 'Library: PubSubClient. Board: ESP32.',
  note: 'Put in the name and the password of your Wi-Fi. The clock is set first: a certificate is good between two dates.',
  text: `#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <PubSubClient.h>

const char *WIFI = "…", *WIFI_PASSWORD = "…";
const char *HOST = ${c(t.host)};
const char *DEVICE = ${c(t.deviceId)};
${t.secret === null ? '' : `const char *SECRET = ${c(t.secret)};\n`}const char *TOPIC = ${c(t.topic)};
${t.caPem ? `const char *CA =\n${cLines(t.caPem)};\n` : ''}${ownPair('const char *CERT', 'const char *KEY', t)}
WiFiClientSecure tls;
PubSubClient mqtt(tls);

void setup() {
  Serial.begin(115200);
  WiFi.begin(WIFI, WIFI_PASSWORD);
  while (WiFi.status() != WL_CONNECTED) delay(200);
  configTime(0, 0, "pool.ntp.org");
  while (time(nullptr) < 1700000000) delay(200);
  ${t.caPem ? 'tls.setCACert(CA);' : 'tls.setInsecure(); // or setCACert(…) with the authority of your certificate'}${t.secret === null ? '\n  tls.setCertificate(CERT);\n  tls.setPrivateKey(KEY);' : ''}
  mqtt.setServer(HOST, ${t.port});
}

void loop() {
  if (!mqtt.connected() && !mqtt.connect(${t.secret === null ? 'DEVICE' : 'DEVICE, DEVICE, SECRET'})) {
    Serial.printf("not connected: %d\\n", mqtt.state());
    delay(5000);
    return;
  }
  mqtt.loop();
  static unsigned long last = 0;
  if (last == 0 || millis() - last > 10000) {
    last = millis();
    mqtt.publish(TOPIC, ${c(t.payload)});
  }
}`,
});

const espIDF = (t: Target): Snippet => ({
  name: 'ESP-IDF', file: 'main.c', language: 'c', before: 'Beside nvs_flash_init() and a network, as in the example protocol_examples_common',
  text: `#include "mqtt_client.h"
${t.caPem ? '' : '#include "esp_crt_bundle.h"\n'}
${t.caPem ? `static const char CA[] =\n${cLines(t.caPem)};\n\n` : ''}${t.secret === null ? `static const char CERT[] =
  "…\\n"; // the lines of cert.pem
static const char KEY[] =
  "…\\n"; // the lines of key.pem

` : ''}static void on_connected(void *arg, esp_event_base_t base, int32_t id, void *data) {
  esp_mqtt_client_publish(((esp_mqtt_event_handle_t)data)->client, ${c(t.topic)}, ${c(t.payload)}, 0, 1, 0);
}

void start_device(void) {
  const esp_mqtt_client_config_t config = {
    .broker.address.uri = ${c(`mqtts://${t.host.includes(':') ? `[${t.host}]` : t.host}:${t.port}`)},
    ${t.caPem ? '.broker.verification.certificate = CA' : '.broker.verification.crt_bundle_attach = esp_crt_bundle_attach'},
    .credentials.client_id = ${c(t.deviceId)},
${t.secret === null ? `    .credentials.authentication.certificate = CERT,
    .credentials.authentication.key = KEY,` : `    .credentials.username = ${c(t.deviceId)},
    .credentials.authentication.password = ${c(t.secret)},`}
  };
  esp_mqtt_client_handle_t client = esp_mqtt_client_init(&config);
  esp_mqtt_client_register_event(client, MQTT_EVENT_CONNECTED, on_connected, NULL);
  esp_mqtt_client_start(client);
}`,
});

const microPython = (t: Target, ca: boolean): Snippet => ({
  name: 'MicroPython', file: 'main.py', language: 'python', before: 'mpremote mip install umqtt.simple',
  note: [ca && 'The board takes the authority as DER: openssl x509 -in ca.pem -outform der -out ca.der, then mpremote cp ca.der :',
    t.secret === null && 'So with its own: openssl x509 -in cert.pem -outform der -out cert.der; openssl ec -in key.pem -outform der -out key.der'].filter(Boolean).join(' · ') || undefined,
  text: `import ssl
from umqtt.simple import MQTTClient

DEVICE = ${python(t.deviceId)}

trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
${ca ? `trust.verify_mode = ssl.CERT_REQUIRED
with open("ca.der", "rb") as f:
    trust.load_verify_locations(cadata=f.read())
` : `trust.verify_mode = ssl.CERT_NONE  # load_verify_locations(cadata=…) with the authority of your certificate
`}${t.secret === null ? 'trust.load_cert_chain("cert.der", "key.der")\n' : ''}client = MQTTClient(DEVICE, ${python(t.host)}, ${t.port}, ${t.secret === null ? '' : `user=DEVICE, password=${python(t.secret)}, `}keepalive=60, ssl=trust)
client.connect()
client.publish(${python(t.topic)}, ${python(t.payload)}, qos=1)
client.disconnect()`,
});
