import{H as e,K as t,U as n,Y as r,l as i,lt as a}from"./mantine.js";import{t as o}from"./IconDownload.js";import{C as s,h as c}from"./react.js";import{a as l}from"./index.js";import{h as u,i as d}from"./page.js";var f=e=>e===`localhost`||e.startsWith(`127.`)||e===`[::1]`||e===`::1`;function p(e,t){let n=e.publicUrl&&URL.canParse(e.publicUrl)?new URL(e.publicUrl):null,r=n&&!f(n.hostname)?n:null,i=r?.hostname??t.hostname;return{local:f(i),host:i.replace(/^\[|\]$/g,``),port:e.mqttsPort||e.tlsPort||8883,origin:r?.origin??t.origin}}function m(){let e=l().data,t=c({queryKey:[`ca.pem`],enabled:e?.authority===!0,staleTime:1/0,queryFn:async()=>{let e=await fetch(`/ca.pem`);if(!e.ok)throw Error(`The authority's certificate is not to be had: ${e.status}.`);return e.text()}});if(!(!e||e.authority&&t.isPending))return{...p(e,location),caPem:e.authority?t.data??null:null}}var h=e=>t=>e(t.charCodeAt(0)),g=e=>JSON.stringify(e.toWellFormed()).replace(/[\u2028\u2029\u007f]/g,e=>`\\u${e.charCodeAt(0).toString(16).padStart(4,`0`)}`),_=e=>`"${e.toWellFormed().replace(/[\\"]/g,`\\$&`).replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029]/g,h(e=>`\\u${e.toString(16).padStart(4,`0`)}`))}"`,v=e=>`"${e.toWellFormed().replace(/[\\"]/g,`\\$&`).replace(/[\u0000-\u001f\u007f]/g,h(e=>`\\x${e.toString(16).padStart(2,`0`)}`))}"`,y=e=>`"${e.toWellFormed().replace(/[\\"?]/g,`\\$&`).replace(/[\u0000-\u001f\u007f]/g,h(e=>`\\${e.toString(8).padStart(3,`0`)}`))}"`,b=(e,t=`  `)=>e.trimEnd().split(`
`).map(e=>`${t}${y(`${e}\n`).replace(/\\012"$/,`\\n"`)}`).join(`
`),x=e=>u(e)===e&&!e.startsWith(`-`)?e:`'${e.replaceAll(`'`,`'\\''`)}'`;function S(e){let t=e.caPem!==null;return[C(e,t),w(e,t),T(e,t),E(e,t),D(e,t),O(e,t),k(e),A(e),j(e,t)]}var C=(e,t)=>({name:`mosquitto_pub`,language:`shell`,before:`apt install mosquitto-clients`,text:`mosquitto_pub -h ${x(e.host)} -p ${e.port} ${t?`--cafile ca.pem`:`--tls-use-os-certs`} \\
  -i ${x(e.deviceId)} -u ${x(e.deviceId)} -P ${x(e.secret)} \\
  -q 1 -t ${x(e.topic)} -m ${x(e.payload)}`}),w=(e,t)=>({name:`curl`,language:`shell`,note:`Over HTTP, without MQTT: the same message, from what can only send requests.`,text:`curl ${t&&e.origin.startsWith(`https:`)?`--cacert ca.pem `:``}-u ${x(`${e.deviceId}:${e.secret}`)} \\
  --data-raw ${x(e.payload)} \\
  ${x(`${e.origin}/messaging/publish/${e.topic.split(`/`).map(encodeURIComponent).join(`/`)}`)}`}),T=(e,t)=>({name:`Python`,file:`device.py`,language:`python`,before:`pip install paho-mqtt`,text:`import paho.mqtt.client as mqtt

HOST, PORT = ${_(e.host)}, ${e.port}
DEVICE = ${_(e.deviceId)}
SECRET = ${_(e.secret)}
TOPIC = ${_(e.topic)}

try:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=DEVICE)
except AttributeError:  # paho-mqtt before 2.0
    client = mqtt.Client(client_id=DEVICE)
client.username_pw_set(DEVICE, SECRET)
client.tls_set(${t?`ca_certs="ca.pem"`:``})
client.connect(HOST, PORT)
client.loop_start()
client.publish(TOPIC, ${_(e.payload)}, qos=1).wait_for_publish()
client.disconnect()`}),E=(e,t)=>({name:`Node.js`,file:`device.mjs`,language:`javascript`,before:`npm install mqtt`,text:`${t?`import { readFileSync } from 'node:fs';
`:``}import mqtt from 'mqtt';

const device = ${g(e.deviceId)};
const client = await mqtt.connectAsync({
  protocol: 'mqtts', host: ${g(e.host)}, port: ${e.port},${t?` ca: readFileSync('ca.pem'),`:``}
  clientId: device, username: device, password: ${g(e.secret)},
});
await client.publishAsync(${g(e.topic)}, ${g(e.payload)}, { qos: 1 });
await client.endAsync();`}),D=(e,t)=>({name:`Go`,file:`main.go`,language:`go`,before:`go mod init device && go get github.com/eclipse/paho.mqtt.golang`,text:`package main

import (
	"crypto/tls"${t?`
	"crypto/x509"`:``}
	"log"${t?`
	"os"`:``}

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	const device = ${v(e.deviceId)}
	trust := &tls.Config{}
${t?`	pem, err := os.ReadFile("ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	trust.RootCAs = x509.NewCertPool()
	trust.RootCAs.AppendCertsFromPEM(pem)
`:``}	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(${v(`ssl://${e.host.includes(`:`)?`[${e.host}]`:e.host}:${e.port}`)}).
		SetClientID(device).SetUsername(device).SetPassword(${v(e.secret)}).SetTLSConfig(trust))
	if done := client.Connect(); done.Wait() && done.Error() != nil {
		log.Fatal(done.Error())
	}
	if done := client.Publish(${v(e.topic)}, 1, false, ${v(e.payload)}); done.Wait() && done.Error() != nil {
		log.Fatal(done.Error())
	}
	client.Disconnect(250)
}`}),O=(e,t)=>({name:`C`,file:`device.c`,language:`c`,before:`apt install libmosquitto-dev && cc device.c -lmosquitto -o device`,text:`#include <mosquitto.h>
#include <stdio.h>
#include <string.h>

static void published(struct mosquitto *m, void *data, int id) { mosquitto_disconnect(m); }

static void connected(struct mosquitto *m, void *data, int refused) {
  const char *payload = ${y(e.payload)};
  if (refused) { fprintf(stderr, "%s\\n", mosquitto_connack_string(refused)); mosquitto_disconnect(m); return; }
  mosquitto_publish(m, NULL, ${y(e.topic)}, (int)strlen(payload), payload, 1, false);
}

int main(void) {
  mosquitto_lib_init();
  struct mosquitto *m = mosquitto_new(${y(e.deviceId)}, true, NULL);
  mosquitto_username_pw_set(m, ${y(e.deviceId)}, ${y(e.secret)});
  mosquitto_tls_set(m, ${t?`"ca.pem", NULL`:`NULL, "/etc/ssl/certs"`}, NULL, NULL, NULL);
  mosquitto_connect_callback_set(m, connected);
  mosquitto_publish_callback_set(m, published);
  int err = mosquitto_connect(m, ${y(e.host)}, ${e.port}, 60);
  if (err == MOSQ_ERR_SUCCESS) err = mosquitto_loop_forever(m, -1, 1);
  if (err != MOSQ_ERR_SUCCESS) fprintf(stderr, "%s\\n", mosquitto_strerror(err));
  return err;
}`}),k=e=>({name:`Arduino`,file:`device.ino`,language:`cpp`,before:`Library: PubSubClient. Board: ESP32.`,note:`Put in the name and the password of your Wi-Fi. The clock is set first: a certificate is good between two dates.`,text:`#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <PubSubClient.h>

const char *WIFI = "…", *WIFI_PASSWORD = "…";
const char *HOST = ${y(e.host)};
const char *DEVICE = ${y(e.deviceId)};
const char *SECRET = ${y(e.secret)};
const char *TOPIC = ${y(e.topic)};
${e.caPem?`const char *CA =\n${b(e.caPem)};\n`:``}
WiFiClientSecure tls;
PubSubClient mqtt(tls);

void setup() {
  Serial.begin(115200);
  WiFi.begin(WIFI, WIFI_PASSWORD);
  while (WiFi.status() != WL_CONNECTED) delay(200);
  configTime(0, 0, "pool.ntp.org");
  while (time(nullptr) < 1700000000) delay(200);
  ${e.caPem?`tls.setCACert(CA);`:`tls.setInsecure(); // or setCACert(…) with the authority of your certificate`}
  mqtt.setServer(HOST, ${e.port});
}

void loop() {
  if (!mqtt.connected() && !mqtt.connect(DEVICE, DEVICE, SECRET)) {
    Serial.printf("not connected: %d\\n", mqtt.state());
    delay(5000);
    return;
  }
  mqtt.loop();
  static unsigned long last = 0;
  if (last == 0 || millis() - last > 10000) {
    last = millis();
    mqtt.publish(TOPIC, ${y(e.payload)});
  }
}`}),A=e=>({name:`ESP-IDF`,file:`main.c`,language:`c`,before:`Beside nvs_flash_init() and a network, as in the example protocol_examples_common`,text:`#include "mqtt_client.h"
${e.caPem?``:`#include "esp_crt_bundle.h"
`}
${e.caPem?`static const char CA[] =\n${b(e.caPem)};\n\n`:``}static void on_connected(void *arg, esp_event_base_t base, int32_t id, void *data) {
  esp_mqtt_client_publish(((esp_mqtt_event_handle_t)data)->client, ${y(e.topic)}, ${y(e.payload)}, 0, 1, 0);
}

void start_device(void) {
  const esp_mqtt_client_config_t config = {
    .broker.address.uri = ${y(`mqtts://${e.host.includes(`:`)?`[${e.host}]`:e.host}:${e.port}`)},
    ${e.caPem?`.broker.verification.certificate = CA`:`.broker.verification.crt_bundle_attach = esp_crt_bundle_attach`},
    .credentials.client_id = ${y(e.deviceId)},
    .credentials.username = ${y(e.deviceId)},
    .credentials.authentication.password = ${y(e.secret)},
  };
  esp_mqtt_client_handle_t client = esp_mqtt_client_init(&config);
  esp_mqtt_client_register_event(client, MQTT_EVENT_CONNECTED, on_connected, NULL);
  esp_mqtt_client_start(client);
}`}),j=(e,t)=>({name:`MicroPython`,file:`main.py`,language:`python`,before:`mpremote mip install umqtt.simple`,note:t?`The board takes the authority as DER: openssl x509 -in ca.pem -outform der -out ca.der, then mpremote cp ca.der :`:void 0,text:`import ssl
from umqtt.simple import MQTTClient

DEVICE = ${_(e.deviceId)}

trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
${t?`trust.verify_mode = ssl.CERT_REQUIRED
with open("ca.der", "rb") as f:
    trust.load_verify_locations(cadata=f.read())
`:`trust.verify_mode = ssl.CERT_NONE  # load_verify_locations(cadata=…) with the authority of your certificate
`}client = MQTTClient(DEVICE, ${_(e.host)}, ${e.port}, user=DEVICE, password=${_(e.secret)}, keepalive=60, ssl=trust)
client.connect()
client.publish(${_(e.topic)}, ${_(e.payload)}, qos=1)
client.disconnect()`}),M=s();function N({deviceId:s,secret:c,topic:l,payload:u}){let f=m(),[p,h]=a({key:`snippets.language`,defaultValue:`mosquitto_pub`,getInitialValueInEffect:!1});if(!f)return(0,M.jsx)(r,{size:`sm`,role:`status`,"aria-label":`Loading`});let g=S({...f,deviceId:s,secret:c,topic:l,payload:u}),_=g.some(e=>e.name===p)?p:g[0].name;return(0,M.jsxs)(M.Fragment,{children:[(0,M.jsxs)(t,{gap:`4px 20px`,mb:`sm`,children:[(0,M.jsxs)(n,{size:`xs`,c:`dimmed`,children:[`Server `,(0,M.jsxs)(`b`,{className:`mono`,children:[f.host,`:`,f.port]}),`, TLS`]}),f.caPem!==null&&(0,M.jsxs)(e,{href:`/ca.pem`,download:`ca.pem`,size:`xs`,children:[(0,M.jsx)(o,{size:13,style:{verticalAlign:`-2px`}}),` ca.pem, the authority to trust`]})]}),f.local&&(0,M.jsx)(n,{size:`xs`,c:`dimmed`,mb:`sm`,children:`This address is for programs on this machine. For a device elsewhere, open the console by the server’s name or network address: it will be in the programs.`}),(0,M.jsxs)(i,{value:_,onChange:e=>h(e??_),keepMounted:!1,variant:`pills`,className:`snippet-tabs`,children:[(0,M.jsx)(i.List,{mb:`sm`,children:g.map(e=>(0,M.jsx)(i.Tab,{value:e.name,children:e.name},e.name))}),g.map(e=>(0,M.jsxs)(i.Panel,{value:e.name,children:[(e.before||e.note)&&(0,M.jsxs)(n,{size:`xs`,c:`dimmed`,mb:6,children:[e.before&&(0,M.jsx)(`span`,{className:`mono`,children:e.before}),e.before&&e.note&&` · `,e.note]}),(0,M.jsx)(d,{text:e.text}),e.file&&(0,M.jsxs)(n,{size:`xs`,c:`dimmed`,mt:4,children:[`As `,(0,M.jsx)(`span`,{className:`mono`,children:e.file}),f.caPem!==null&&/ca\.pem/.test(e.text)&&`, beside ca.pem`]})]},e.name))]})]})}export{N as t};