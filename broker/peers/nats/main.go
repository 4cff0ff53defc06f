// Command nats runs a nats-server with its MQTT gateway, for comparison: nats TCP, or nats TLS CERTIFICATE KEY. It has one MQTT port.
package main

import (
	"crypto/tls"
	"net"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	host, text, err := net.SplitHostPort(os.Args[1])
	if err != nil {
		panic(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "nats")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	mqtt := server.MQTTOpts{Host: host, Port: port, MaxAckPending: 1024}
	if len(os.Args) == 4 {
		pair, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
		if err != nil {
			panic(err)
		}
		mqtt.TLSConfig, mqtt.TLSTimeout = &tls.Config{Certificates: []tls.Certificate{pair}}, 10
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "peer", Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoSigs: true, MQTT: mqtt,
	})
	if err != nil {
		panic(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("not ready")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
	s.Shutdown()
}
