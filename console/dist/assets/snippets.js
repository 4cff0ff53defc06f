import{r as e}from"./rolldown-runtime.js";import{E as t,H as n,K as r,M as i,T as a,U as o,Y as s,d as c,l,lt as u}from"./mantine.js";import{C as d,T as f,h as p}from"./react.js";import{n as m,r as h}from"./client.js";import{h as g,i as _}from"./page.js";import{t as v}from"./IconDownload.js";import{t as y}from"./IconUpload.js";import{a as b,r as x}from"./index.js";import{i as S}from"./act.js";var C=e(f(),1),w=e=>e.replace(/.{64}(?=.)/g,`$&
`);function T(e){let t=new TextDecoder().decode(e);if(e[0]!==48||t.includes(`-----BEGIN`))return t;let n=``;for(let t of e)n+=String.fromCharCode(t);return`-----BEGIN CERTIFICATE-----\n${w(btoa(n))}\n-----END CERTIFICATE-----\n`}function E(e){if(/PRIVATE KEY-----/.test(e))return`This holds a private key. It belongs to the device alone: put in the certificate without it.`;if(e.trim()!==``&&!e.includes(`-----BEGIN CERTIFICATE-----`))return`A certificate in PEM begins with -----BEGIN CERTIFICATE-----.`}var D=async(e,t)=>(await h(m.POST(`/api/v1/access/mqtt-credentials`,{body:{entityId:e,entityType:`device`,certificate:t}}))).mqttCredential,ee=864e5;function O(e,t=Date.now()){let n=new Date(e).getTime()-t;return n<=0?`over`:n<30*ee?`soon`:`good`}var k=e=>t=>e(t.charCodeAt(0)),A=e=>JSON.stringify(e.toWellFormed()).replace(/[\u2028\u2029\u007f]/g,e=>`\\u${e.charCodeAt(0).toString(16).padStart(4,`0`)}`),j=e=>`"${e.toWellFormed().replace(/[\\"]/g,`\\$&`).replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029]/g,k(e=>`\\u${e.toString(16).padStart(4,`0`)}`))}"`,M=e=>`"${e.toWellFormed().replace(/[\\"]/g,`\\$&`).replace(/[\u0000-\u001f\u007f]/g,k(e=>`\\x${e.toString(16).padStart(2,`0`)}`))}"`,N=e=>`"${e.toWellFormed().replace(/[\\"?]/g,`\\$&`).replace(/[\u0000-\u001f\u007f]/g,k(e=>`\\${e.toString(8).padStart(3,`0`)}`))}"`,P=(e,t=`  `)=>e.trimEnd().split(`
`).map(e=>`${t}${N(`${e}\n`).replace(/\\012"$/,`\\n"`)}`).join(`
`),F=e=>g(e)===e&&!e.startsWith(`-`)?e:`'${e.replaceAll(`'`,`'\\''`)}'`,I=e=>`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\
  -subj ${F(`/CN=${e}`)} -days 3650 -keyout key.pem -out cert.pem`;function L(e){let t=e.caPem!==null;return[R(e,t),...e.secret===null?[]:[z(e,e.secret,t)],B(e,t),V(e,t),H(e,t),U(e,t),G(e),K(e),q(e,t)]}var R=(e,t)=>({name:`mosquitto_pub`,language:`shell`,before:`apt install mosquitto-clients`,text:`mosquitto_pub -h ${F(e.host)} -p ${e.port} ${t?`--cafile ca.pem`:`--tls-use-os-certs`} \\
  -i ${F(e.deviceId)} ${e.secret===null?`--cert cert.pem --key key.pem`:`-u ${F(e.deviceId)} -P ${F(e.secret)}`} \\
  -q 1 -t ${F(e.topic)} -m ${F(e.payload)}`}),z=(e,t,n)=>({name:`curl`,language:`shell`,note:`Over HTTP, without MQTT: the same message, from what can only send requests.`,text:`curl ${n&&e.origin.startsWith(`https:`)?`--cacert ca.pem `:``}-u ${F(`${e.deviceId}:${t}`)} \\
  --data-raw ${F(e.payload)} \\
  ${F(`${e.origin}/messaging/publish/${e.topic.split(`/`).map(encodeURIComponent).join(`/`)}`)}`}),B=(e,t)=>({name:`Python`,file:`device.py`,language:`python`,before:`pip install paho-mqtt`,text:`import paho.mqtt.client as mqtt

HOST, PORT = ${j(e.host)}, ${e.port}
DEVICE = ${j(e.deviceId)}
${e.secret===null?``:`SECRET = ${j(e.secret)}\n`}TOPIC = ${j(e.topic)}

try:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=DEVICE)
except AttributeError:  # paho-mqtt before 2.0
    client = mqtt.Client(client_id=DEVICE)
${e.secret===null?``:`client.username_pw_set(DEVICE, SECRET)
`}client.tls_set(${[t&&`ca_certs="ca.pem"`,e.secret===null&&`certfile="cert.pem", keyfile="key.pem"`].filter(Boolean).join(`, `)})
client.connect(HOST, PORT)
client.loop_start()
client.publish(TOPIC, ${j(e.payload)}, qos=1).wait_for_publish()
client.disconnect()`}),V=(e,t)=>({name:`Node.js`,file:`device.mjs`,language:`javascript`,before:`npm install mqtt`,text:`${t||e.secret===null?`import { readFileSync } from 'node:fs';
`:``}import mqtt from 'mqtt';

const device = ${A(e.deviceId)};
const client = await mqtt.connectAsync({
  protocol: 'mqtts', host: ${A(e.host)}, port: ${e.port},${t?` ca: readFileSync('ca.pem'),`:``}
  clientId: device, ${e.secret===null?`cert: readFileSync('cert.pem'), key: readFileSync('key.pem')`:`username: device, password: ${A(e.secret)}`},
});
await client.publishAsync(${A(e.topic)}, ${A(e.payload)}, { qos: 1 });
await client.endAsync();`}),H=(e,t)=>({name:`Go`,file:`main.go`,language:`go`,before:`go mod init device && go get github.com/eclipse/paho.mqtt.golang`,text:`package main

import (
	"crypto/tls"${t?`
	"crypto/x509"`:``}
	"log"${t?`
	"os"`:``}

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	const device = ${M(e.deviceId)}
	trust := &tls.Config{}
${e.secret===null?`	pair, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}
	trust.Certificates = []tls.Certificate{pair}
`:``}${t?`	pem, err := os.ReadFile("ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	trust.RootCAs = x509.NewCertPool()
	trust.RootCAs.AppendCertsFromPEM(pem)
`:``}	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(${M(`ssl://${e.host.includes(`:`)?`[${e.host}]`:e.host}:${e.port}`)}).
		SetClientID(device)${e.secret===null?``:`.SetUsername(device).SetPassword(${M(e.secret)})`}.SetTLSConfig(trust))
	if done := client.Connect(); done.Wait() && done.Error() != nil {
		log.Fatal(done.Error())
	}
	if done := client.Publish(${M(e.topic)}, 1, false, ${M(e.payload)}); done.Wait() && done.Error() != nil {
		log.Fatal(done.Error())
	}
	client.Disconnect(250)
}`}),U=(e,t)=>({name:`C`,file:`device.c`,language:`c`,before:`apt install libmosquitto-dev && cc device.c -lmosquitto -o device`,text:`#include <mosquitto.h>
#include <stdio.h>
#include <string.h>

static void published(struct mosquitto *m, void *data, int id) { mosquitto_disconnect(m); }

static void connected(struct mosquitto *m, void *data, int refused) {
  const char *payload = ${N(e.payload)};
  if (refused) { fprintf(stderr, "%s\\n", mosquitto_connack_string(refused)); mosquitto_disconnect(m); return; }
  mosquitto_publish(m, NULL, ${N(e.topic)}, (int)strlen(payload), payload, 1, false);
}

int main(void) {
  mosquitto_lib_init();
  struct mosquitto *m = mosquitto_new(${N(e.deviceId)}, true, NULL);
${e.secret===null?``:`  mosquitto_username_pw_set(m, ${N(e.deviceId)}, ${N(e.secret)});\n`}  mosquitto_tls_set(m, ${t?`"ca.pem", NULL`:`NULL, "/etc/ssl/certs"`}, ${e.secret===null?`"cert.pem", "key.pem"`:`NULL, NULL`}, NULL);
  mosquitto_connect_callback_set(m, connected);
  mosquitto_publish_callback_set(m, published);
  int err = mosquitto_connect(m, ${N(e.host)}, ${e.port}, 60);
  if (err == MOSQ_ERR_SUCCESS) err = mosquitto_loop_forever(m, -1, 1);
  if (err != MOSQ_ERR_SUCCESS) fprintf(stderr, "%s\\n", mosquitto_strerror(err));
  return err;
}`}),W=(e,t,n)=>n.secret===null?`${e} = R"(
… the lines of cert.pem
)";
${t} = R"(
… the lines of key.pem
)";
`:``,G=e=>({name:`Arduino`,file:`device.ino`,language:`cpp`,before:`Library: PubSubClient. Board: ESP32.`,note:`Put in the name and the password of your Wi-Fi. The clock is set first: a certificate is good between two dates.`,text:`#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <PubSubClient.h>

const char *WIFI = "…", *WIFI_PASSWORD = "…";
const char *HOST = ${N(e.host)};
const char *DEVICE = ${N(e.deviceId)};
${e.secret===null?``:`const char *SECRET = ${N(e.secret)};\n`}const char *TOPIC = ${N(e.topic)};
${e.caPem?`const char *CA =\n${P(e.caPem)};\n`:``}${W(`const char *CERT`,`const char *KEY`,e)}
WiFiClientSecure tls;
PubSubClient mqtt(tls);

void setup() {
  Serial.begin(115200);
  WiFi.begin(WIFI, WIFI_PASSWORD);
  while (WiFi.status() != WL_CONNECTED) delay(200);
  configTime(0, 0, "pool.ntp.org");
  while (time(nullptr) < 1700000000) delay(200);
  ${e.caPem?`tls.setCACert(CA);`:`tls.setInsecure(); // or setCACert(…) with the authority of your certificate`}${e.secret===null?`
  tls.setCertificate(CERT);
  tls.setPrivateKey(KEY);`:``}
  mqtt.setServer(HOST, ${e.port});
}

void loop() {
  if (!mqtt.connected() && !mqtt.connect(${e.secret===null?`DEVICE`:`DEVICE, DEVICE, SECRET`})) {
    Serial.printf("not connected: %d\\n", mqtt.state());
    delay(5000);
    return;
  }
  mqtt.loop();
  static unsigned long last = 0;
  if (last == 0 || millis() - last > 10000) {
    last = millis();
    mqtt.publish(TOPIC, ${N(e.payload)});
  }
}`}),K=e=>({name:`ESP-IDF`,file:`main.c`,language:`c`,before:`Beside nvs_flash_init() and a network, as in the example protocol_examples_common`,text:`#include "mqtt_client.h"
${e.caPem?``:`#include "esp_crt_bundle.h"
`}
${e.caPem?`static const char CA[] =\n${P(e.caPem)};\n\n`:``}${e.secret===null?`static const char CERT[] =
  "…\\n"; // the lines of cert.pem
static const char KEY[] =
  "…\\n"; // the lines of key.pem

`:``}static void on_connected(void *arg, esp_event_base_t base, int32_t id, void *data) {
  esp_mqtt_client_publish(((esp_mqtt_event_handle_t)data)->client, ${N(e.topic)}, ${N(e.payload)}, 0, 1, 0);
}

void start_device(void) {
  const esp_mqtt_client_config_t config = {
    .broker.address.uri = ${N(`mqtts://${e.host.includes(`:`)?`[${e.host}]`:e.host}:${e.port}`)},
    ${e.caPem?`.broker.verification.certificate = CA`:`.broker.verification.crt_bundle_attach = esp_crt_bundle_attach`},
    .credentials.client_id = ${N(e.deviceId)},
${e.secret===null?`    .credentials.authentication.certificate = CERT,
    .credentials.authentication.key = KEY,`:`    .credentials.username = ${N(e.deviceId)},
    .credentials.authentication.password = ${N(e.secret)},`}
  };
  esp_mqtt_client_handle_t client = esp_mqtt_client_init(&config);
  esp_mqtt_client_register_event(client, MQTT_EVENT_CONNECTED, on_connected, NULL);
  esp_mqtt_client_start(client);
}`}),q=(e,t)=>({name:`MicroPython`,file:`main.py`,language:`python`,before:`mpremote mip install umqtt.simple`,note:[t&&`The board takes the authority as DER: openssl x509 -in ca.pem -outform der -out ca.der, then mpremote cp ca.der :`,e.secret===null&&`So with its own: openssl x509 -in cert.pem -outform der -out cert.der; openssl ec -in key.pem -outform der -out key.der`].filter(Boolean).join(` · `)||void 0,text:`import ssl
from umqtt.simple import MQTTClient

DEVICE = ${j(e.deviceId)}

trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
${t?`trust.verify_mode = ssl.CERT_REQUIRED
with open("ca.der", "rb") as f:
    trust.load_verify_locations(cadata=f.read())
`:`trust.verify_mode = ssl.CERT_NONE  # load_verify_locations(cadata=…) with the authority of your certificate
`}${e.secret===null?`trust.load_cert_chain("cert.der", "key.der")
`:``}client = MQTTClient(DEVICE, ${j(e.host)}, ${e.port}, ${e.secret===null?``:`user=DEVICE, password=${j(e.secret)}, `}keepalive=60, ssl=trust)
client.connect()
client.publish(${j(e.topic)}, ${j(e.payload)}, qos=1)
client.disconnect()`}),J=d(),Y=65536;function X({deviceId:e,action:n,may:s,onDone:l,onCancel:u}){let[d,f]=(0,C.useState)(``),p=E(d),m=S(async()=>{(!s||await s())&&(await x(()=>D(e,d)),l())}),h=async e=>f(e.size>Y?`${e.name} is no certificate: it is too large.`:T(new Uint8Array(await e.arrayBuffer())));return(0,J.jsx)(`form`,{onSubmit:e=>void m.submit(e),onDragOver:e=>e.preventDefault(),onDrop:e=>{e.preventDefault();let t=e.dataTransfer.files[0];t&&h(t)},children:(0,J.jsxs)(c,{gap:`sm`,children:[(0,J.jsx)(a,{label:`Certificate`,description:`As PEM; or drop its file here. It may be self-signed.`,placeholder:`-----BEGIN CERTIFICATE-----
…
-----END CERTIFICATE-----`,value:d,onChange:e=>f(e.currentTarget.value),error:p??m.errorOf(`certificate`),minRows:4,maxRows:10,autosize:!0,spellCheck:!1,autoComplete:`off`,styles:{input:{fontFamily:`var(--mantine-font-family-monospace)`,fontSize:12}}}),m.rest([`certificate`])&&(0,J.jsx)(o,{size:`sm`,c:`red`,role:`alert`,children:m.rest([`certificate`])?.message}),(0,J.jsxs)(r,{gap:8,justify:`space-between`,children:[(0,J.jsx)(t,{onChange:e=>{e&&h(e)},accept:`.pem,.crt,.cer,.der,application/x-x509-ca-cert,application/pkix-cert`,children:e=>(0,J.jsx)(i,{...e,size:`xs`,variant:`default`,leftSection:(0,J.jsx)(y,{size:14}),children:`Choose a file`})}),(0,J.jsxs)(r,{gap:8,children:[u&&(0,J.jsx)(i,{size:`xs`,variant:`default`,onClick:u,children:`Cancel`}),(0,J.jsx)(i,{type:`submit`,size:`xs`,loading:m.busy,disabled:d.trim()===``||p!==void 0,children:n})]})]}),(0,J.jsxs)(`details`,{className:`more`,children:[(0,J.jsx)(`summary`,{children:`There is none yet: make a key and a certificate`}),(0,J.jsxs)(o,{size:`xs`,c:`dimmed`,my:6,children:[`On the device, or where its key is to live. `,(0,J.jsx)(`span`,{className:`mono`,children:`key.pem`}),` stays there, `,(0,J.jsx)(`span`,{className:`mono`,children:`cert.pem`}),` comes here.`]}),(0,J.jsx)(_,{text:I(e)})]})]})})}var Z=e=>e===`localhost`||e.startsWith(`127.`)||e===`[::1]`||e===`::1`;function Q(e,t){let n=e.publicUrl&&URL.canParse(e.publicUrl)?new URL(e.publicUrl):null,r=n&&!Z(n.hostname)?n:null,i=r?.hostname??t.hostname;return{local:Z(i),host:i.replace(/^\[|\]$/g,``),port:e.mqttsPort||e.tlsPort||8883,origin:r?.origin??t.origin}}function te(){let e=b().data,t=p({queryKey:[`ca.pem`],enabled:e?.authority===!0,staleTime:1/0,queryFn:async()=>{let e=await fetch(`/ca.pem`);if(!e.ok)throw Error(`The authority's certificate is not to be had: ${e.status}.`);return e.text()}});if(!(!e||e.authority&&t.isPending))return{...Q(e,location),caPem:e.authority?t.data??null:null}}var $=e=>[...new Set([...e.matchAll(/["']((?:ca|cert|key)\.(?:pem|der))["']/g)].map(e=>e[1]))],ne=new Intl.ListFormat(`en`);function re({deviceId:e,secret:t,topic:i,payload:a}){let c=te(),[d,f]=u({key:`snippets.language`,defaultValue:`mosquitto_pub`,getInitialValueInEffect:!1});if(!c)return(0,J.jsx)(s,{size:`sm`,role:`status`,"aria-label":`Loading`});let p=L({...c,deviceId:e,secret:t,topic:i,payload:a}),m=p.some(e=>e.name===d)?d:p[0].name;return(0,J.jsxs)(J.Fragment,{children:[(0,J.jsxs)(r,{gap:`4px 20px`,mb:`sm`,children:[(0,J.jsxs)(o,{size:`xs`,c:`dimmed`,children:[`Server `,(0,J.jsxs)(`b`,{className:`mono`,children:[c.host,`:`,c.port]}),`, TLS`]}),c.caPem!==null&&(0,J.jsxs)(n,{href:`/ca.pem`,download:`ca.pem`,size:`xs`,children:[(0,J.jsx)(v,{size:13,style:{verticalAlign:`-2px`}}),` ca.pem, the authority to trust`]})]}),c.local&&(0,J.jsx)(o,{size:`xs`,c:`dimmed`,mb:`sm`,children:`This address is for programs on this machine. For a device elsewhere, open the console by the server’s name or network address: it will be in the programs.`}),(0,J.jsxs)(l,{value:m,onChange:e=>f(e??m),keepMounted:!1,variant:`pills`,className:`snippet-tabs`,children:[(0,J.jsx)(l.List,{mb:`sm`,children:p.map(e=>(0,J.jsx)(l.Tab,{value:e.name,children:e.name},e.name))}),p.map(e=>(0,J.jsxs)(l.Panel,{value:e.name,children:[(e.before||e.note)&&(0,J.jsxs)(o,{size:`xs`,c:`dimmed`,mb:6,children:[e.before&&(0,J.jsx)(`span`,{className:`mono`,children:e.before}),e.before&&e.note&&` · `,e.note]}),(0,J.jsx)(_,{text:e.text}),e.file&&(0,J.jsxs)(o,{size:`xs`,c:`dimmed`,mt:4,children:[`As `,(0,J.jsx)(`span`,{className:`mono`,children:e.file}),$(e.text).length>0&&`, beside ${ne.format($(e.text))}`]})]},e.name))]})]})}export{X as n,O as r,re as t};