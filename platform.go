package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"xively/blueprint"
	"xively/broker"
	"xively/identity"
	"xively/internal/auth"
	"xively/internal/operate"
	"xively/logging"
	"xively/storage"
	"xively/timeseries"
)

// A directory is the part of the platform that also works without listeners: the store and who and what exists in it.
// `xively init` needs no more.
type directory struct {
	db        *storage.DB
	blueprint *blueprint.Service
	identity  *identity.Service
}

func openDirectory(cfg Config, log *slog.Logger) (d directory, err error) {
	store := cfg.Storage.config(cfg.Data)
	store.Locked = func() error {
		kept, err := operate.SwapRestored(cfg.Data, time.Now())
		if kept != "" {
			log.Warn("a backup was restored; what was there before is kept", "folder", filepath.Join(cfg.Data, kept))
		}
		return err
	}
	if d.db, err = storage.Open(store, log.With("module", "storage")); err != nil {
		return d, err
	}
	d.blueprint = blueprint.New(cfg.Blueprint, d.db, log.With("module", "blueprint"))
	ident := cfg.Identity
	ident.Dir = cfg.Data
	if d.identity, err = identity.New(ident, d.db, d.blueprint, log.With("module", "identity")); err != nil {
		return d, errors.Join(err, d.close(context.Background()))
	}
	if err := d.blueprint.UseIdentities(d.identity); err != nil {
		return d, errors.Join(err, d.close(context.Background()))
	}
	return d, nil
}

func (d directory) close(ctx context.Context) error {
	var err error
	if d.identity != nil {
		err = d.identity.Close(ctx)
	}
	err = errors.Join(err, d.blueprint.Close())
	// The last checkpoint saves the next start work, no more: it gets most of the time left, so that its end is in time.
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(deadline)*3/4))
		defer cancel()
	}
	return errors.Join(err, d.db.CloseBy(ctx))
}

// A platform is the whole server: its parts, introduced to each other.
type platform struct {
	cfg Config
	log *slog.Logger

	directory
	logs       *logging.Service
	timeseries *timeseries.Service
	broker     *broker.Server
	operate    *operate.Service
	events     events
	streams    streams
	began      time.Time
	certs      *certificates
	http       *http.Server
	listeners  struct{ local, tls, mqtts, mqtt net.Listener } // nil: switched off

	undo []func(context.Context) error // closes what is open, to be called from the last to the first
}

// openPlatform does all that can fail: the folder, the ports, the certificate, the modules. Connections that arrive
// meanwhile wait until run. A configuration that passed Validate can still fail here, with an error that says where.
func openPlatform(cfg Config, log *slog.Logger) (p *platform, err error) {
	p = &platform{cfg: cfg, log: log, began: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(context.Background()))
			p = nil
		}
	}()
	// The folder comes before the ports: of two servers by one configuration the second is told which folder is in use.
	if p.directory, err = openDirectory(cfg, log); err != nil {
		return p, err
	}
	p.onClose(p.directory.close)
	if err := checkAnonymous(p.identity, cfg.Broker.Anonymous); err != nil {
		return p, err
	}
	if err := p.listen(); err != nil {
		return p, err
	}
	if p.certs, err = openCertificates(cfg.TLS, filepath.Join(cfg.Data, "tls"), log); err != nil {
		return p, err
	}
	if err := p.openModules(); err != nil {
		return p, err
	}
	router, err := newRouter(p)
	if err != nil {
		return p, err
	}
	p.http = newHTTPServer(router, log)
	p.http.RegisterOnShutdown(p.streams.close)
	p.onClose(p.closeHTTP)
	return p, nil
}

func (p *platform) onClose(fn func(context.Context) error) { p.undo = append(p.undo, fn) }

// openModules opens what lives on the directory. The broker comes last: it may replay publishes into the others.
func (p *platform) openModules() (err error) {
	topics := channels{p.blueprint}
	if p.logs, err = logging.New(p.cfg.Logging, p.db, topics, p.log.With("module", "logging")); err != nil {
		return err
	}
	p.onClose(func(context.Context) error { return p.logs.Close() })
	p.events = events{p.logs, p.blueprint, new(addresses), p.certs.ends}
	if p.timeseries, err = timeseries.New(p.cfg.TimeSeries, p.db, topics, reading{p.blueprint}, p.events, p.log.With("module", "timeseries")); err != nil {
		return err
	}
	p.timeseries.UseWriting(reading{p.blueprint})
	p.timeseries.UseDescriber(topics)
	p.timeseries.UseFinder(p.blueprint)
	p.timeseries.UseRetention(p.blueprint)
	p.timeseries.UseAdmins(p.blueprint)
	p.timeseries.UseAudit(p.blueprint)
	p.timeseries.Start()
	p.blueprint.OnPurge(func(tx *storage.Tx, accountID, deviceID string) {
		p.timeseries.Delete(tx, accountID, "xi/blue/v1/"+accountID+"/d/"+deviceID+"/")
	})
	p.onClose(func(context.Context) error { return p.timeseries.Close() })
	if err := p.blueprint.Reflect(); err != nil {
		return err
	}
	who := authenticator{p.identity, p.blueprint, p.cfg.Broker.Anonymous}
	messaging := p.cfg.Broker.Config
	messaging.Version = version()
	if p.broker, err = broker.New(messaging, p.db, who, p.blueprint, p.events, []broker.Tap{p.timeseries, p.logs, p.blueprint}, p.log.With("module", "broker")); err != nil {
		return err
	}
	p.onClose(p.broker.Close)
	if p.operate, err = operate.New(p.cfg.Backup.config(p.cfg.Data), p.db, &figures{p: p}, p.log.With("module", "operate")); err != nil {
		return err
	}
	p.onClose(func(context.Context) error { return p.operate.Close() })
	p.blueprint.OnDenied(p.events.Denied)
	p.blueprint.OnChange(p.events.Changed)
	p.blueprint.UsePublisher(func(account, topic string, payload []byte) error {
		err := p.broker.Publish(auth.Principal{Kind: auth.Platform, AccountID: account}, topic, payload, 1, false)
		if errors.Is(err, broker.ErrClosed) { // the connections are gone whose ends these changes tell
			err = nil
		}
		return err
	})
	p.blueprint.OnRevoke(func(r blueprint.Revocation) {
		p.disconnect(r.Matches, r.Reason)
	})
	p.identity.OnEnd(func(accountID, userID, sessionID string) {
		p.disconnect(func(who auth.Principal) bool {
			if sessionID == "" {
				return who.AccountID == accountID && who.UserID == userID
			}
			return who.SessionID == sessionID
		}, "the sign-in it was made with has ended")
	})
	p.identity.OnAudit(p.events.Audited)
	p.streams.stillMay = func(who auth.Principal) error { return p.blueprint.MayAdminister(who, "the log", "") }
	return nil
}

// disconnect ends what callers that match hold open: MQTT connections and live views.
func (p *platform) disconnect(match func(auth.Principal) bool, reason string) {
	p.broker.Disconnect(match, reason)
	p.streams.end(match)
}

// listen binds every address that is switched on.
func (p *platform) listen() error {
	l, c := &p.listeners, p.cfg.Listen
	for _, a := range []struct {
		key, address string
		ln           *net.Listener
	}{
		{"listen.local", c.Local, &l.local}, {"listen.tls", c.TLS, &l.tls}, {"listen.mqtts", c.MQTTS, &l.mqtts}, {"listen.mqtt", c.MQTT, &l.mqtt},
	} {
		if a.address == "" {
			continue
		}
		ln, err := net.Listen("tcp", a.address)
		if err != nil {
			return fmt.Errorf("%s: %w", a.key, err)
		}
		if networks := c.proxied(a.key); networks != nil {
			ln = broker.ProxyListener(ln, networks)
		}
		*a.ln = ln
		p.onClose(func(context.Context) error {
			if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	return nil
}

// errStartAgain is what run ends with when a backup waits to take the place of what the server has.
var errStartAgain = errors.New("start again")

// run serves until ctx ends, the store fails, a listener breaks or a backup was restored, then closes everything. It returns nil only after an
// orderly stop that was asked for. Serving goroutines are started here and have ended when it returns.
func (p *platform) run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(context.Background())
	defer stopBackground()
	broken, serving := make(chan error, 5), new(errgroup.Group)
	serve := func(name string, ln net.Listener, fn func(net.Listener) error) {
		if ln == nil {
			return
		}
		serving.Go(func() error {
			err := fn(ln)
			if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, broker.ErrClosed) && !errors.Is(err, net.ErrClosed) {
				broken <- fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	serve("listen.local", p.listeners.local, func(ln net.Listener) error {
		return p.http.Serve(p.broker.Listener(ln))
	})
	serve("listen.tls", p.listeners.tls, func(ln net.Listener) error {
		return p.broker.ServeShared(ln, p.certs.sharedConfig(), p.http)
	})
	serve("listen.mqtts", p.listeners.mqtts, func(ln net.Listener) error {
		return p.broker.ServeTLS(ln, p.certs.serverConfig())
	})
	serve("listen.mqtt", p.listeners.mqtt, p.broker.ServeTCP)
	serving.Go(func() error { p.certs.watch(background); return nil })
	serving.Go(func() error { p.identity.Run(background); return nil })
	serving.Go(func() error { giveBack(background); return nil })
	serving.Go(func() error { p.operate.Run(background); return nil })

	var cause error
	select {
	case <-ctx.Done():
		p.log.Info("stopping", "at_most", p.cfg.Shutdown)
	case <-p.db.Failed():
		cause = p.db.Err()
	case cause = <-broken:
	case <-p.operate.Restored():
		p.log.Info("starting again", "at_most", p.cfg.Shutdown)
		cause = errStartAgain
	}
	stopBackground()
	closing, cancel := context.WithTimeout(context.Background(), p.cfg.Shutdown)
	defer cancel()
	err := errors.Join(cause, p.close(closing))
	_ = serving.Wait() // never an error: what broke came through the channel
	return err
}

// close undoes openPlatform in reverse: HTTP drains, MQTT connections end, the modules write what they hold, the store
// closes. Requests and connections that outlive ctx are cut.
func (p *platform) close(ctx context.Context) error {
	var errs []error
	for len(p.undo) > 0 {
		last := p.undo[len(p.undo)-1]
		p.undo = p.undo[:len(p.undo)-1]
		errs = append(errs, last(ctx))
	}
	return errors.Join(errs...)
}

func (p *platform) closeHTTP(ctx context.Context) error {
	// MQTT needs its share of the time, so requests get half of it.
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(deadline)/2))
		defer cancel()
	}
	err := p.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		p.log.Warn("requests cut off at the end of the time to stop")
		return p.http.Close()
	}
	return err
}
