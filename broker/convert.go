package broker

import (
	"encoding/binary"
	"fmt"
	"slices"

	"xively/storage"
)

// bucketQueue is how queues were kept before there were pages: one entry for each session and message,
//
//	broker.queue  session(8) message(8)  packetID(2) qos(1) flags(1: 1 sent, 2 released, 4 retain) [via(3)]
//
// without a count of those that refer to a message, and without the last numbers of a session.
const bucketQueue = "broker.queue"

// oldQueue is such a bucket's contents.
type oldQueue struct {
	sessions map[uint64][]pageEntry
	sizes    map[uint64]pagedOut
	bytes    map[uint64]int
	refs     map[uint64]uint32
	keys     [][]byte
}

// convert brings queues of that form into pages, once.
func (st *store) convert() error {
	old := false
	if err := st.srv.db.View(func(tx *storage.Tx) error {
		for range tx.Bucket(bucketQueue).Prefix(nil) {
			old = true
			break
		}
		return nil
	}); err != nil || !old {
		return err
	}
	st.converted = true
	return st.srv.db.Update(func(tx *storage.Tx) error {
		o := &oldQueue{map[uint64][]pageEntry{}, map[uint64]pagedOut{}, map[uint64]int{}, map[uint64]uint32{}, nil}
		if err := o.read(tx); err != nil {
			return err
		}
		return o.write(tx)
	})
}

func (o *oldQueue) read(tx *storage.Tx) error {
	messages := tx.Bucket(bucketMessages)
	for k, v := range tx.Bucket(bucketQueue).Prefix(nil) {
		if len(k) != 16 || (len(v) != 4 && len(v) != 4+len(via{})) || v[2] > 2 {
			return fmt.Errorf("queue entry %x: %w", k, errRecord)
		}
		session, lsn := binary.BigEndian.Uint64(k), binary.BigEndian.Uint64(k[8:])
		var by via
		copy(by[:], v[4:])
		sent := v[3]&1 != 0
		e := pageEntry{lsn, binary.BigEndian.Uint16(v), entryFlags(v[2], sent, v[3]&2 != 0, v[3]&4 != 0, by, keptRef), by, nil}
		o.sessions[session] = append(o.sessions[session], e)
		o.keys = append(o.keys, slices.Clone(k))
		o.refs[lsn]++
		r := &records{b: messages.Get(key64(lsn))}
		r.byte()
		if r.text(); r.bad {
			return fmt.Errorf("queue entry %x: its message is missing", k)
		}
		size := o.sizes[session]
		if sent {
			size.sent++
		} else {
			size.waiting++
			o.bytes[session] += len(r.b)
		}
		o.sizes[session] = size
	}
	return nil
}

func (o *oldQueue) write(tx *storage.Tx) error {
	sessions, pages, messages, refs := tx.Bucket(bucketSessions), tx.Bucket(bucketPages), tx.Bucket(bucketMessages), tx.Bucket(bucketRefs)
	for id, entries := range o.sessions {
		v := sessions.Get(key64(id))
		if v == nil {
			return fmt.Errorf("queue of session %x: its session is missing", id)
		}
		v = slices.Clone(v)
		for n := lastNumbers(v); n < 2; n++ { // sentBefore, left
			v = appendNumbers(v, 0)
		}
		size := o.sizes[id]
		sessions.Put(key64(id), appendNumbers(v, uint64(size.sent), uint64(size.waiting), uint64(o.bytes[id])))
		pages.Put(key64(id, entries[len(entries)-1].lsn), appendPage(nil, entries))
	}
	var unused [][]byte
	for k := range messages.Prefix(nil) {
		if n := o.refs[binary.BigEndian.Uint64(k)]; n == 0 {
			unused = append(unused, slices.Clone(k))
		}
	}
	for _, k := range unused {
		messages.Delete(k)
	}
	for lsn, n := range o.refs {
		if n > 1 {
			refs.Put(key64(lsn), binary.BigEndian.AppendUint32(nil, n))
		}
	}
	queue := tx.Bucket(bucketQueue)
	for _, k := range o.keys {
		queue.Delete(k)
	}
	return nil
}

// lastNumbers returns how many numbers follow a session's unreleased identifiers.
func lastNumbers(v []byte) (n int) {
	r := &records{b: v[2:]}
	r.text()
	r.byte()
	r.text()
	r.text()
	r.text()
	r.number()
	for n := r.number(); n > 0 && !r.bad; n-- {
		r.text()
		r.byte()
	}
	for n := r.number(); n > 0 && !r.bad; n-- {
		r.number()
	}
	for len(r.b) > 0 && !r.bad {
		r.number()
		n++
	}
	return n
}
