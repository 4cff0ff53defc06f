package blueprint

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/auth"
	"xively/storage"
)

// purge takes away for good what was deleted longer than keep_deleted ago, and the audit trail beyond keep_audit. It runs
// soon after the start and then every purgeEvery, in small transactions, so that others get their turn.
type purge struct {
	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
	hook atomic.Pointer[func(tx *storage.Tx, accountID, deviceID string)]
}

// OnPurge has fn called with each device that is taken away for good, in the transaction that does it: what others keep
// of the device can go with it. To be called soon after New; the first devices go after a minute.
func (s *Service) OnPurge(fn func(tx *storage.Tx, accountID, deviceID string)) {
	s.purge.hook.Store(&fn)
}

const (
	deletedBucket = "blueprint.deleted"
	purgeFirst    = time.Minute
	purgeEvery    = time.Hour
	purgeStep     = 200 // objects or entries in a transaction
)

func (p *purge) start(s *Service) {
	p.stop = make(chan struct{})
	p.done.Go(func() { // ended by close
		for wait := purgeFirst; ; wait = purgeEvery {
			select {
			case <-p.stop:
				return
			case <-time.After(wait):
				s.purgeAll(p.stop)
			}
		}
	})
}

func (p *purge) close() {
	p.once.Do(func() { close(p.stop) })
	p.done.Wait()
}

func (s *Service) purgeAll(stop <-chan struct{}) {
	for more := true; more; {
		select {
		case <-stop:
			return
		default:
		}
		var err error
		if more, err = s.purgeSome(); err != nil {
			s.log.Warn("deleted objects not purged", "err", err)
			return
		}
	}
}

// purgeSome does one transaction's worth and reports whether there is more.
func (s *Service) purgeSome() (more bool, err error) {
	now := s.now()
	due, accounts, err := s.purgeable(now)
	if err != nil || len(due) == 0 && len(accounts) == 0 {
		return false, err
	}
	err = s.db.Update(func(tx *storage.Tx) error {
		for _, key := range due {
			if err := s.purgeOne(tx, key); err != nil {
				return err
			}
		}
		more = len(due) == purgeStep
		for _, account := range accounts {
			t := s.begin(tx, auth.Principal{AccountID: account})
			more = t.forgetAudit(now.Add(-s.cfg.KeepAudit), purgeStep) || more
		}
		return nil
	})
	return more, err
}

// purgeable finds what is due, in a view: most of the time that is nothing, and a write is not needed.
func (s *Service) purgeable(now time.Time) (due [][]byte, accounts []string, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		high := binary.BigEndian.AppendUint64(nil, uint64(now.Add(-s.cfg.KeepDeleted).UnixMilli()))
		for key := range tx.Bucket(deletedBucket).Scan(nil, high) {
			if due = append(due, slices.Clone(key)); len(due) == purgeStep {
				break
			}
		}
		accounts = staleAudits(tx, uint64(now.Add(-s.cfg.KeepAudit).UnixMilli()))
		return nil
	})
	return due, accounts, err
}

// staleAudits returns the accounts whose oldest audit entry is older than before, ms.
func staleAudits(tx *storage.Tx, before uint64) (accounts []string) {
	from := []byte(nil)
	for {
		var account []byte
		for key := range tx.Bucket(auditBucket).Scan(from, nil) {
			account = slices.Clone(key[:16])
			if binary.BigEndian.Uint64(key[16:]) < before {
				accounts = append(accounts, idText(account))
			}
			break
		}
		if account == nil {
			return accounts
		}
		from = append(account, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
	}
}

// deletedKey is an object's key in blueprint.deleted: when, kind, account, id.
func (t *txn) deletedKey(k *kind, o *object) []byte {
	account, _ := parseID(o.AccountID)
	id, _ := parseID(o.ID)
	key := append(binary.BigEndian.AppendUint64(nil, uint64(o.Deleted)), k.code)
	return append(append(key, account[:]...), id[:]...)
}

// noteDeleted keeps blueprint.deleted in step with an object's change.
func (t *txn) noteDeleted(k *kind, old, o *object) {
	b := t.tx.Bucket(deletedBucket)
	if old != nil && old.Deleted != 0 && old.DeletedWith == "" {
		b.Delete(t.deletedKey(k, old))
	}
	if o.Deleted != 0 && o.DeletedWith == "" {
		b.Put(t.deletedKey(k, o), nil)
	}
}

func (s *Service) purgeOne(tx *storage.Tx, key []byte) error {
	tx.Bucket(deletedBucket).Delete(key)
	if len(key) != 8+1+16+16 {
		return nil
	}
	t := s.begin(tx, auth.Principal{AccountID: idText(key[9:25])})
	for _, k := range s.kinds {
		if k.code != key[8] {
			continue
		}
		o, err := load(tx, k, idText(key[25:]))
		if err != nil || o == nil || o.Deleted == 0 {
			return err
		}
		if fn := s.purge.hook.Load(); fn != nil && k.one == "device" {
			(*fn)(tx, o.AccountID, o.ID)
		}
		return t.remove(k, o)
	}
	return nil
}

// remove takes an object out of the store, with what was deleted along with it.
func (t *txn) remove(k *kind, o *object) error {
	err := t.eachDeletedWith(k, o.ID, func(kk *kind, owned *object) error { return t.remove(kk, owned) })
	if err != nil {
		return err
	}
	t.reindex(k, o, nil)
	id, _ := parseID(o.ID)
	t.tx.Bucket(k.bucket()).Delete(id[:])
	switch k.one {
	case "device", "endUser", "accountUser":
		t.dropSecrets(o.ID)
		t.dropCode(o.ID)
		t.tx.Bucket(seenBucket).Delete(id[:])
	}
	return nil
}
