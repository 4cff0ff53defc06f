package operate

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"xively/internal/auth"
	"xively/storage"
)

// Source is where figures come from: the modules, through the root.
type Source interface {
	// Operator reports whether the account is the one that runs the server.
	Operator(account string) bool
	Accounts() ([]string, error)
	Counts(account string) (Counts, error)
	Traffic(account string) Traffic
	Server() Server
	// LogHistogram counts log entries by time and severity.
	LogHistogram(ctx context.Context, account string, from, to time.Time, every time.Duration) ([]LogBucket, error)
	// LogTroubles returns newest entries from a time on that are errors or worse, at most some hundreds.
	LogTroubles(ctx context.Context, account string, from time.Time) ([]Trouble, error)
	Certificate() Certificate
	Limits(account string) ([]Limit, error)
	Mail() Mail
	// Did tells the account's log what an admin did, such as "backup.downloaded"; object is the backup's name or another's.
	Did(who auth.Principal, action, object, remote string)
	// SendTestMail returns when the mail server has taken the mail, or why it has not.
	SendTestMail(ctx context.Context, to string) error
}

// Limit is what an account has of something, and how much it may have.
type Limit struct {
	Code    string   `json:"code"`
	Text    string   `json:"text"`
	Unit    string   `json:"unit"`    // things, bytes, perSecond, seconds
	Used    *float64 `json:"used"`    // null where nothing is used up
	Limit   *float64 `json:"limit"`   // null: none
	Setting string   `json:"setting"` // of the configuration
}

// Mail says how mails go out, without the secret.
type Mail struct {
	Configured bool   `json:"configured"`
	Host       string `json:"host"`
	Port       int    `json:"port"`
	User       string `json:"user"`
	From       string `json:"from"`
	Security   string `json:"security"`  // tls, starttls, none
	Log        bool   `json:"log"`       // written to the process's log instead of sent
	Failed     uint64 `json:"failed"`    // since the start
	PublicURL  string `json:"publicUrl"` // that links in mails begin with
}

// Counts are how much of everything an account has.
type Counts struct {
	Devices         int `json:"devices"`
	Connected       int `json:"connectedDevices"`
	EndUsers        int `json:"endUsers"`
	Organizations   int `json:"organizations"`
	DeviceTemplates int `json:"deviceTemplates"`
	AccountUsers    int `json:"accountUsers"`
	Series          int `json:"series"`
	Sessions        int `json:"sessions"` // MQTT, those of clients that are away with them
	Retained        int `json:"retainedMessages"`
}

// Traffic is what an account has moved since the start, but for Connections, which are those of the moment.
type Traffic struct {
	Connections int    `json:"connections"` // MQTT, of devices and others
	Received    uint64 `json:"messagesReceived"`
	Delivered   uint64 `json:"messagesDelivered"`
	Points      uint64 `json:"points"`
}

// Server is what is of the server as a whole.
type Server struct {
	Version      string
	Started      time.Time
	StoreBytes   int64
	JournalBytes int64
	LogBytes     int64
	DiskFree     int64 // 0: not known
	DiskTotal    int64
	MemoryBytes  int64
	Goroutines   int
	Traffic      Traffic // of all accounts
	Accounts     int

	MailsFailed, DroppedQoS0, DroppedQueue, LogDropped uint64
}

// LogBucket is the entries of a span of time by severity.
type LogBucket struct {
	Time       int64          `json:"time"` // ms
	Count      int            `json:"count"`
	Severities map[string]int `json:"severities"`
}

// Trouble is a log entry that is an error or worse.
type Trouble struct {
	Time                                          int64
	Severity, Code, Message, SourceID, SourceType string
}

// Service is the module. Its methods may be called from any goroutine.
type Service struct {
	cfg    Config
	db     *storage.DB
	source Source
	log    *slog.Logger
	now    func() time.Time

	backups backups

	mu      sync.Mutex
	watched map[string]*watched // by account
	recent  []drops             // of the last hour, oldest first
}

// New opens the module over db. Run has to be called for its history and schedule.
func New(cfg Config, db *storage.DB, source Source, log *slog.Logger) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, db: db, source: source, log: log, now: time.Now, watched: map[string]*watched{}}
	if err := s.loadHistory(); err != nil {
		return nil, fmt.Errorf("operate: %w", err)
	}
	return s, s.backups.open(s)
}

// Run keeps the history and makes the backups that are due, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		s.sample()
		s.noteSize()
		s.backups.runDue(s.now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Restored is closed when a backup is ready to take the place of what the server has: it has to stop and to start again,
// with [SwapRestored] before it opens the store.
func (s *Service) Restored() <-chan struct{} { return s.backups.restored }

// Close ends what runs and writes the history down. The store must still be open.
func (s *Service) Close() error {
	s.backups.close()
	return s.saveHistory()
}
