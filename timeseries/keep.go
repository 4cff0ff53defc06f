package timeseries

import (
	"bytes"
	"encoding/binary"
	"maps"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// keep says how long points and roll-ups are kept: 0 where it says nothing, less than 0 for ever.
type keep struct{ points, rollups time.Duration }

// or is k where it speaks, and other where it does not.
func (k keep) or(other keep) keep {
	if k.points == 0 {
		k.points = other.points
	}
	if k.rollups == 0 {
		k.rollups = other.rollups
	}
	return k
}

// keeps is what accounts say of retention. All of it is in memory: the janitor asks for every series.
type keeps struct {
	mu       sync.RWMutex
	accounts map[string]keep
}

func (k *keeps) of(account string) keep {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.accounts[account]
}

func (k *keeps) load(tx *storage.Tx) {
	k.accounts = map[string]keep{}
	for account, v := range tx.Bucket(keepBucket).Scan(nil, nil) {
		if len(v) == 16 {
			k.accounts[string(account)] = keep{time.Duration(binary.BigEndian.Uint64(v)), time.Duration(binary.BigEndian.Uint64(v[8:]))}
		}
	}
}

// keep returns how long the points and roll-ups of a series are kept: as its channel or template says, else its account,
// else the server.
func (s *Service) keep(account, topic string) (k keep) {
	if s.retention != nil {
		k.points, k.rollups = s.retention.Retention(account, topic)
	}
	return k.or(s.keeps.of(account)).or(s.configured())
}

func (s *Service) configured() keep {
	forever := keep{rest.KeepForever, rest.KeepForever}
	return keep{s.cfg.KeepPoints, s.cfg.KeepRollups}.or(forever)
}

// limits returns the times before which points and roll-ups of the series are kept no longer.
func (s *Service) limits(name []byte) (points, rollups int64) {
	account, topic, _ := bytes.Cut(name, []byte{0})
	k := s.keep(string(account), string(topic))
	limit := func(keep time.Duration) int64 {
		if keep < 0 {
			return MinTime
		}
		return s.now().Add(-keep).UnixMilli()
	}
	return limit(k.points), limit(k.rollups)
}

// Admins says who may decide for an account.
type Admins interface {
	// MayAdminister returns nil, or a *fault.Error that goes to the caller. what and remote stand in the refusal that is told.
	MayAdminister(p auth.Principal, what, remote string) error
}

// UseAdmins says who may change an account's retention; without it nobody may.
func (s *Service) UseAdmins(a Admins) { s.admins = a }

func (s *Service) mayAdminister(c echo.Context) error {
	if s.admins == nil {
		return fault.New(fault.Forbidden, "Retention cannot be changed here.")
	}
	return s.admins.MayAdminister(rest.Caller(c), "the retention of points", c.RealIP())
}

// Audit takes note of changes.
type Audit interface {
	// Audit notes that p changed something of its account, in the transaction that does it: the members that changed as
	// they were and as they became, nil for none.
	Audit(tx *storage.Tx, p auth.Principal, remote, what string, before, after map[string]any) error
}

// UseAudit says who takes note of changes of an account's retention; without it nobody does.
func (s *Service) UseAudit(a Audit) { s.auditor = a }

// audit notes how an account's retention has changed, if it has.
func (s *Service) audit(tx *storage.Tx, c echo.Context, was, is keep) error {
	before, after := map[string]any{}, map[string]any{}
	compare := func(name string, was, is time.Duration) {
		if was != is {
			before[name], after[name] = keepMember(was), keepMember(is)
		}
	}
	compare("keepPoints", was.points, is.points)
	compare("keepRollups", was.rollups, is.rollups)
	if s.auditor == nil || len(after) == 0 {
		return nil
	}
	return s.auditor.Audit(tx, rest.Caller(c), c.RealIP(), "retention of points", before, after)
}

func keepMember(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return rest.FormatKeep(d)
}

// retentionAnswer is an account's retention; what it does not say is "".
type retentionAnswer struct {
	KeepPoints        string `json:"keepPoints"`
	KeepRollups       string `json:"keepRollups"`
	ServerKeepPoints  string `json:"serverKeepPoints"`
	ServerKeepRollups string `json:"serverKeepRollups"`
}

func (s *Service) sendRetention(c echo.Context, k keep) error {
	server := s.configured()
	return rest.JSON(c, map[string]retentionAnswer{"retention": {
		rest.FormatKeep(k.points), rest.FormatKeep(k.rollups), rest.FormatKeep(server.points), rest.FormatKeep(server.rollups)}})
}

func (s *Service) getRetention(c echo.Context) error {
	if err := s.mayAdminister(c); err != nil {
		return err
	}
	return s.sendRetention(c, s.keeps.of(rest.Caller(c).AccountID))
}

// putRetention takes keepPoints and keepRollups; a member that is not sent stays, null or "" takes the account's word back.
func (s *Service) putRetention(c echo.Context) error {
	if err := s.mayAdminister(c); err != nil {
		return err
	}
	body, err := rest.Body(c)
	if err != nil {
		return err
	}
	account := rest.Caller(c).AccountID
	var k keep
	err = s.db.Update(func(tx *storage.Tx) error {
		was := s.keeps.of(account)
		k = was
		if err := takeKeep(body, "keepPoints", &k.points); err != nil {
			return err
		}
		if err := takeKeep(body, "keepRollups", &k.rollups); err != nil {
			return err
		}
		s.keeps.put(tx, account, k)
		return s.audit(tx, c, was, k)
	})
	if err != nil {
		return err
	}
	s.soon()
	return s.sendRetention(c, k)
}

func takeKeep(body map[string]any, name string, into *time.Duration) error {
	v, sent := body[name]
	if !sent {
		return nil
	}
	text, isText := v.(string)
	if v != nil && !isText {
		return fault.Field(name, "This must be %s.", rest.KeepForms)
	}
	keep, ok := rest.ParseKeep(text)
	if !ok {
		return fault.Field(name, "This must be %s.", rest.KeepForms)
	}
	*into = keep
	return nil
}

func (k *keeps) put(tx *storage.Tx, account string, says keep) {
	b := tx.Bucket(keepBucket)
	if says == (keep{}) {
		b.Delete([]byte(account))
	} else {
		v := binary.BigEndian.AppendUint64(nil, uint64(says.points))
		b.Put([]byte(account), binary.BigEndian.AppendUint64(v, uint64(says.rollups)))
	}
	tx.OnCommit(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		accounts := maps.Clone(k.accounts)
		if accounts[account] = says; says == (keep{}) {
			delete(accounts, account)
		}
		k.accounts = accounts
	})
}
