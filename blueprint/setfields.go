package blueprint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// Device reflection over MQTT, inwards: {"state":{"name":"Kitchen"}} on …/_set/fields changes the device like a PUT.
// Fields cannot be made this way, and organizationId cannot be changed; a device cannot give itself another template
// either, which decides what it may do. A message is taken as a whole or refused as a whole; a refusal goes to
// …/_rejected as {"state":{…as sent…},"error":{"code","message","details":[{"field","message"}]}}.
//
// A PUBACK for such a message means that it will be applied, so it goes into the journal: record = JSON of setRequest.
// Requests are numbered; the number applied last is stored with what it changed, so that a replay applies none twice.
// While maxSetsWaiting of them wait, or maxSetBytes, publishers wait too (Pace): their connections are not read meanwhile.
const (
	setStream       storage.Stream = 'd'
	setsBucket                     = "blueprint.sets"     // number (8) -> JSON of setRequest: taken and not applied at a checkpoint
	setStateBucket                 = "blueprint.setstate" // "applied" -> number (8)
	maxSetsWaiting                 = 10_000
	maxSetBytes                    = 16 << 20 // of their payloads
	setsInOneUpdate                = 64
)

var appliedKey = []byte("applied")

type setRequest struct {
	Number  uint64         `json:"number"`
	Device  string         `json:"device"`
	From    auth.Principal `json:"from"`
	Payload []byte         `json:"payload"`
}

// setter applies requests in their order. Its one goroutine is started by UsePublisher and ended by close.
type setter struct {
	s    *Service
	wake chan struct{}
	stop chan struct{}
	done sync.WaitGroup
	once sync.Once

	most int // requests waiting before publishers wait

	mu      sync.Mutex
	room    sync.Cond // publishers sleep here
	ended   bool      // nothing is applied any more in this process
	waiting []setRequest
	bytes   int          // of the payloads of waiting
	frozen  []setRequest // what Flush must write
	last    uint64       // number given last
	applied uint64
	paced   int64 // publishes that had to wait
}

func (q *setter) init(s *Service) {
	q.s, q.wake, q.stop, q.most = s, make(chan struct{}, 1), make(chan struct{}), maxSetsWaiting
	q.room.L = &q.mu
}

func (q *setter) close() {
	q.once.Do(func() { close(q.stop) })
	q.done.Wait()
	q.letAllGo()
}

// letAllGo ends waiting for good. What comes after is in the journal and is applied after the next start.
func (q *setter) letAllGo() {
	q.mu.Lock()
	q.ended = true
	q.room.Broadcast()
	q.mu.Unlock()
}

// Reflect takes up the requests that were acknowledged and not applied when the server stopped. To be called once,
// before the broker, whose messages then may come.
func (s *Service) Reflect() error {
	q := &s.setter
	err := s.db.View(func(tx *storage.Tx) error {
		if v := tx.Bucket(setStateBucket).Get(appliedKey); len(v) == 8 {
			q.applied = binary.BigEndian.Uint64(v)
		}
		q.last = q.applied
		for _, value := range tx.Bucket(setsBucket).Scan(nil, nil) {
			if err := q.take(value); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.db.Journal().Attach(setStream, q)
	}
	if err != nil {
		return fmt.Errorf("device fields set over MQTT: %w", err)
	}
	q.poke()
	return nil
}

// take queues a stored request unless it was applied or is queued already.
func (q *setter) take(record []byte) error {
	var r setRequest
	if err := json.Unmarshal(record, &r); err != nil {
		return fmt.Errorf("request: decode: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	// Two that came at once may stand in the journal the other way round.
	i, known := slices.BinarySearchFunc(q.waiting, r.Number, func(w setRequest, n uint64) int { return cmp.Compare(w.Number, n) })
	if r.Number > q.applied && !known {
		q.waiting = slices.Insert(q.waiting, i, r)
		q.bytes += len(r.Payload)
	}
	q.last = max(q.last, r.Number)
	return nil
}

// Replay, Freeze and Flush are the journal's (storage.Consumer).
func (q *setter) Replay(_ storage.LSN, record []byte) error { return q.take(record) }

func (q *setter) Freeze() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.frozen = slices.Clone(q.waiting)
}

func (q *setter) Flush(tx *storage.Tx) error {
	b := tx.Bucket(setsBucket)
	var old [][]byte
	for key := range b.Scan(nil, nil) {
		old = append(old, slices.Clone(key))
	}
	for _, key := range old {
		b.Delete(key)
	}
	for _, r := range q.frozen {
		value, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("request: encode: %w", err)
		}
		b.Put(binary.BigEndian.AppendUint64(nil, r.Number), value)
	}
	return nil
}

// Sink takes publishes to _set/fields (broker.Tap). None may come before Reflect.
func (s *Service) Sink(account, name string) func(from auth.Principal, topic string, payload []byte, b *storage.Batch) {
	at := parseTopic(name)
	if !setsFields(at, account) {
		return nil
	}
	return func(from auth.Principal, _ string, payload []byte, b *storage.Batch) {
		s.setter.add(setRequest{Device: at.device, From: from, Payload: bytes.Clone(payload)}, b)
	}
}

func setsFields(at place, account string) bool {
	return at.kind == channelOf && at.account == account && at.channel == setFields
}

// Pace holds publishers to _set/fields back while too many requests wait (broker.Pacer). Each of them may have one more
// in hand, so what is kept is bounded by the limit and the number of connections.
func (s *Service) Pace(account, name string) func() {
	if !setsFields(parseTopic(name), account) {
		return nil
	}
	return s.setter.pace
}

func (q *setter) pace() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.fullLocked() {
		return
	}
	q.paced++
	for q.fullLocked() {
		q.room.Wait()
	}
}

func (q *setter) fullLocked() bool {
	return !q.ended && (len(q.waiting) >= q.most || q.bytes >= maxSetBytes)
}

func (q *setter) add(r setRequest, b *storage.Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	r.Number = q.last
	record, err := json.Marshal(r)
	if err != nil {
		return // cannot be: all of it can be written as JSON
	}
	b.Add(setStream, record)
	q.waiting = append(q.waiting, r)
	q.bytes += len(r.Payload)
	q.poke()
}

func (q *setter) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *setter) run() {
	for {
		select {
		case <-q.stop:
			return
		case <-q.wake:
		}
		for q.applySome() {
			select {
			case <-q.stop:
				return
			default:
			}
		}
	}
}

// rejection is a refused request and why.
type rejection struct {
	setRequest
	err error
}

// applySome applies the first requests in one transaction; false when there are none, or the store fails. Where one of
// them meets a fault of ours, the first is taken alone, and refused when it is the one: it must not hold up the others.
func (q *setter) applySome() bool {
	q.mu.Lock()
	some := slices.Clone(q.waiting[:min(len(q.waiting), setsInOneUpdate)])
	q.mu.Unlock()
	if len(some) == 0 {
		return false
	}
	refused, err := q.apply(some, q.s.applySet)
	if err != nil && q.s.db.Err() == nil {
		some = some[:1]
		if refused, err = q.apply(some, q.s.applySet); err != nil && q.s.db.Err() == nil {
			cause := err
			q.s.log.Error("fields set over MQTT not applied", "device", some[0].Device, "err", cause)
			refused, err = q.apply(some, func(*storage.Tx, setRequest) error { return errNotApplied })
		}
	}
	if err != nil {
		q.s.log.Error("fields set over MQTT not applied: the store fails", "err", err)
		q.letAllGo()
		return false
	}
	q.took(some)
	for _, r := range refused {
		q.reject(r)
	}
	return true
}

var errNotApplied = fault.New(fault.Conflict, "The change met an internal error and was not made; the server's log has the reason.")

// apply runs fn on requests in one transaction, which also remembers that they are done with.
func (q *setter) apply(some []setRequest, fn func(*storage.Tx, setRequest) error) (refused []rejection, err error) {
	err = q.s.db.Update(func(tx *storage.Tx) error {
		refused = nil
		for _, r := range some {
			err := fn(tx, r)
			if err != nil && fault.KindOf(err) == fault.Internal {
				return err
			}
			if err != nil {
				refused = append(refused, rejection{r, err})
			}
		}
		number := some[len(some)-1].Number
		tx.Bucket(setStateBucket).Put(appliedKey, binary.BigEndian.AppendUint64(nil, number))
		return nil
	})
	return refused, err
}

// took forgets requests that are done with and lets publishers go on.
func (q *setter) took(some []setRequest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.applied = some[len(some)-1].Number
	q.waiting = slices.Delete(q.waiting, 0, len(some))
	for _, r := range some {
		q.bytes -= len(r.Payload)
	}
	if !q.fullLocked() {
		q.room.Broadcast()
	}
}

// applySet changes the device as its sender may. Refusals come before anything is written.
func (s *Service) applySet(tx *storage.Tx, r setRequest) error {
	t := s.begin(tx, r.From)
	t.remote = "mqtt"
	byItself := r.From.Kind == auth.Device && r.From.ID == r.Device
	if !byItself {
		var err error
		if t.who, err = t.reachOf(r.From); err != nil {
			return err
		}
	}
	state, err := decodeState(r.Payload)
	if err != nil {
		return err
	}
	k := t.byName["device"]
	o, err := t.find(k, r.Device)
	if err != nil {
		return err
	}
	if err := t.settable(k, o, state, byItself); err != nil {
		return err
	}
	if _, err := t.update(k, r.Device, "", state); err != nil {
		return err
	}
	t.commit()
	return nil
}

func decodeState(payload []byte) (map[string]any, error) {
	var in struct {
		State map[string]any `json:"state"`
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&in); err != nil || in.State == nil {
		return nil, fault.New(fault.Invalid, `The message must be a JSON object of the form {"state":{…}}.`)
	}
	return in.State, nil
}

// settable refuses members that are no fields of the device or cannot be set over MQTT. What the server keeps is ignored
// like over HTTP: devices send back what they were told.
func (t *txn) settable(k *kind, o *object, state map[string]any, byItself bool) error {
	fields, err := t.fields(k, o)
	if err != nil {
		return err
	}
	for name, v := range state {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		switch {
		case slices.Contains([]string{"id", "accountId", "version", "created", "createdById", "lastModified", "lastModifiedById", "channels"}, name):
		case i < 0:
			return fault.Field(name, "The device has no such field; fields are made on its template, not over MQTT.")
		case v == o.text(name) || v == nil && o.Values[name] == nil:
		case name == "organizationId":
			return fault.Field(name, "A device cannot be moved to another organization over MQTT.")
		case name == "deviceTemplateId" && byItself:
			return fault.Field(name, "A device cannot give itself another template.")
		}
	}
	return nil
}

// reject tells the device why its message was refused.
func (q *setter) reject(r rejection) {
	detail := map[string]string{"message": r.err.Error()}
	if f := (*fault.Error)(nil); errors.As(r.err, &f) {
		detail["message"] = f.Message
		if f.Field != "" {
			detail["field"] = f.Field
		}
	}
	state, _ := decodeState(r.Payload) // nil when it was none
	payload, err := json.Marshal(map[string]any{"state": state, "error": map[string]any{
		"code": faultCode(r.err), "message": detail["message"], "details": []any{detail}}})
	if err == nil {
		err = q.s.reflector.publish(r.From.AccountID, channelTopic(r.From.AccountID, r.Device, rejected), payload)
	}
	if err != nil {
		q.s.log.Warn("rejection not published", "device", r.Device, "err", err)
	}
}

// faultCode is the word for a kind of refusal, as in REST answers.
func faultCode(err error) string {
	switch fault.KindOf(err) {
	case fault.Forbidden:
		return "Forbidden"
	case fault.NotFound:
		return "NotFound"
	case fault.Conflict:
		return "Conflict"
	}
	return "BadRequest"
}
