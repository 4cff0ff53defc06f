package blueprint

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// locator says where an address is, from a MaxMind database, and what its name is, from DNS. Neither is asked on the path
// of a connection: the place is looked up when the connection is written down, the name by a goroutine of its own.
type locator struct {
	log  *slog.Logger
	path string // of the .mmdb file, "" for none

	mu      sync.RWMutex
	reader  *maxminddb.Reader // nil: none
	is      os.FileInfo       // the file it was opened from
	checked time.Time

	names names
}

// geoCheckEvery is how often a replaced file is looked for.
const geoCheckEvery = 30 * time.Second

// position is what is known of an address.
type position struct {
	Lat, Lon float64
	Known    bool
}

// locate returns where ip is. It takes up a database that was replaced.
func (g *locator) locate(ip string, now time.Time) (p position) {
	address, err := netip.ParseAddr(ip)
	if g.path == "" || err != nil {
		return position{}
	}
	g.refresh(now)
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.reader == nil {
		return position{}
	}
	var record struct {
		Location struct {
			Latitude  *float64 `maxminddb:"latitude"`
			Longitude *float64 `maxminddb:"longitude"`
		} `maxminddb:"location"`
	}
	found := g.reader.Lookup(address.Unmap())
	if err := found.Decode(&record); err != nil || !found.Found() || record.Location.Latitude == nil || record.Location.Longitude == nil {
		return position{}
	}
	return position{*record.Location.Latitude, *record.Location.Longitude, true}
}

func (g *locator) refresh(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.checked.IsZero() && now.Sub(g.checked) < geoCheckEvery {
		return
	}
	g.checked = now
	is, err := os.Stat(g.path)
	if err == nil && g.is != nil && os.SameFile(is, g.is) && is.ModTime().Equal(g.is.ModTime()) && is.Size() == g.is.Size() {
		return
	}
	reader, openErr := maxminddb.Open(g.path)
	if err = cmp.Or(err, openErr); err != nil {
		g.log.Warn("geo database not read; places stay as they were", "file", g.path, "err", err)
		return
	}
	if g.reader != nil {
		_ = g.reader.Close() // nobody reads: the lock is held
	}
	g.reader, g.is = reader, is
	g.log.Info("geo database read", "file", g.path, "type", reader.Metadata.DatabaseType, "built", reader.Metadata.BuildTime())
}

// checkGeo refuses a database that cannot be used, at start.
func checkGeo(path string) error {
	if path == "" {
		return nil
	}
	r, err := maxminddb.Open(path)
	if err != nil {
		return fmt.Errorf("geoip_file: %w", err)
	}
	return r.Close()
}

func (g *locator) close() {
	g.names.close()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reader != nil {
		_ = g.reader.Close()
		g.reader = nil
	}
}

// attribution is what the makers of the database want shown where its places are shown; "" when none is in use. It is a
// member of the account, for the pages that show devices on a map.
func (g *locator) attribution() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.path == "":
		return ""
	case g.reader == nil || strings.HasPrefix(g.reader.Metadata.DatabaseType, "GeoLite"):
		return "This product includes GeoLite data created by MaxMind, available from https://www.maxmind.com."
	}
	return "Locations of IP addresses come from the database " + g.reader.Metadata.DatabaseType + "."
}

// names finds the names of addresses, by one goroutine, which open starts and close ends.
type names struct {
	look  func(ctx context.Context, ip string) (string, error)
	found func(device, ip, name string)
	ask   chan question
	stop  chan struct{}
	done  sync.WaitGroup
	once  sync.Once

	mu    sync.Mutex
	known map[string]string // by address; "" for none
}

type question struct{ device, ip string }

// Limits of asking for names.
const (
	maxQuestions = 1000  // waiting; more are not asked
	maxNames     = 10000 // remembered; then begun anew
	nameTimeout  = 3 * time.Second
)

func (n *names) open(found func(device, ip, name string)) {
	n.found, n.ask, n.stop, n.known = found, make(chan question, maxQuestions), make(chan struct{}), map[string]string{}
	if n.look == nil {
		n.look = func(ctx context.Context, ip string) (string, error) {
			all, err := net.DefaultResolver.LookupAddr(ctx, ip)
			if err != nil || len(all) == 0 {
				return "", err
			}
			return strings.TrimSuffix(all[0], "."), nil
		}
	}
	n.done.Go(n.run)
}

func (n *names) close() {
	if n.stop != nil {
		n.once.Do(func() { close(n.stop) })
		n.done.Wait()
	}
}

// of returns the name of an address when it is known, and asks for it otherwise.
func (n *names) of(device, ip string) string {
	if n.ask == nil || ip == "" {
		return ""
	}
	n.mu.Lock()
	name, known := n.known[ip]
	n.mu.Unlock()
	if !known {
		select {
		case n.ask <- question{device, ip}:
		default:
		}
	}
	return name
}

func (n *names) run() {
	for {
		select {
		case <-n.stop:
			return
		case q := <-n.ask:
			ctx, cancel := context.WithTimeout(context.Background(), nameTimeout)
			name, _ := n.look(ctx, q.ip) // without a name it goes as well
			cancel()
			if len(name) > 253 {
				name = ""
			}
			n.mu.Lock()
			if len(n.known) >= maxNames {
				clear(n.known)
			}
			n.known[q.ip] = name
			n.mu.Unlock()
			if name != "" {
				n.found(q.device, q.ip, name)
			}
		}
	}
}
