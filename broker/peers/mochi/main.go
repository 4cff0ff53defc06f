// Command mochi runs a mochi-mqtt broker that lets everybody in, for comparison: mochi TCP TLS WEBSOCKET CERTIFICATE KEY.
package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"os/signal"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	s := mqtt.New(&mqtt.Options{Logger: log})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		panic(err)
	}
	pair, err := tls.LoadX509KeyPair(os.Args[4], os.Args[5])
	if err != nil {
		panic(err)
	}
	for _, l := range []listeners.Listener{
		listeners.NewTCP(listeners.Config{ID: "tcp", Address: os.Args[1]}),
		listeners.NewTCP(listeners.Config{ID: "tls", Address: os.Args[2], TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}),
		listeners.NewWebsocket(listeners.Config{ID: "ws", Address: os.Args[3]}),
	} {
		if err := s.AddListener(l); err != nil {
			panic(err)
		}
	}
	if err := s.Serve(); err != nil {
		panic(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
}
