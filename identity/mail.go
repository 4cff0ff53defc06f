package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MailConfig says how mails go out. Without Host none do.
type MailConfig struct {
	// Host of the SMTP server. Default "": no mail is sent.
	Host string `yaml:"host"`
	// Port of the SMTP server. Default 587. On 465 TLS comes first; on any other STARTTLS must be offered.
	Port int `yaml:"port"`
	// User and Password to sign in with there. Default: none.
	User     string `yaml:"user"`
	Password string `yaml:"password" secret:"true"`
	// From is the sender's address. Needed with Host.
	From string `yaml:"from"`
	// Insecure sends without TLS, for a server on this machine. Default false.
	Insecure bool `yaml:"insecure"`
	// Log writes each mail to the process's log instead of sending it, links and all: for development only. Default false.
	Log bool `yaml:"log"`
}

// Validate says which setting is wrong.
func (c MailConfig) Validate() error {
	if c.Host == "" {
		return nil
	}
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("mail.port is %d; it must be from 1 to 65535", c.Port)
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return fmt.Errorf("mail.from is %q; with mail.host it must be an e-mail address", c.From)
	}
	return nil
}

// Mailer sends one mail of plain text. Send returns when the mail server has taken it.
type Mailer interface {
	Send(ctx context.Context, to, subject, text string) error
}

func (c MailConfig) mailer(log *slog.Logger) Mailer {
	switch {
	case c.Log:
		return logMailer{log}
	case c.Host == "":
		return noMailer{}
	}
	if c.Port == 0 {
		c.Port = 587
	}
	return smtpMailer{c}
}

// SetMailer has mails sent in another way. Before the first use of the service only.
func (s *Service) SetMailer(m Mailer) { s.mailer = m }

type noMailer struct{}

func (noMailer) Send(context.Context, string, string, string) error {
	return errors.New("mail.host is not set")
}

type logMailer struct{ log *slog.Logger }

func (m logMailer) Send(_ context.Context, to, subject, text string) error {
	m.log.Info("mail", "to", to, "subject", subject, "text", text)
	return nil
}

type smtpMailer struct{ cfg MailConfig }

const mailTimeout = 30 * time.Second

func (m smtpMailer) Send(ctx context.Context, to, subject, text string) error {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	from, err := mail.ParseAddress(m.cfg.From)
	if err != nil {
		return err
	}
	client, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if m.cfg.User != "" {
		if err := client.Auth(smtp.PlainAuth("", m.cfg.User, m.cfg.Password, m.cfg.Host)); err != nil {
			return err
		}
	}
	if err := client.Mail(from.Address); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(mailText(from.String(), to, subject, text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return client.Quit()
}

func (m smtpMailer) dial(ctx context.Context) (*smtp.Client, error) {
	security := &tls.Config{ServerName: m.cfg.Host, MinVersion: tls.VersionTLS12}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(m.cfg.Host, fmt.Sprint(m.cfg.Port)))
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if m.cfg.Port == 465 && !m.cfg.Insecure {
		conn = tls.Client(conn, security)
	}
	client, err := smtp.NewClient(conn, m.cfg.Host)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if m.cfg.Port != 465 && !m.cfg.Insecure {
		if err := client.StartTLS(security); err != nil { // a server without it must not get the links in clear
			client.Close()
			return nil, err
		}
	}
	return client, nil
}

// mailText writes the mail. The only text in its header that may come from people goes through the encodings made for it.
func mailText(from, to, subject, text string) []byte {
	address := mail.Address{Address: to}
	return []byte("From: " + from + "\r\nTo: " + address.String() + "\r\nSubject: " + mime.QEncoding.Encode("utf-8", subject) +
		"\r\nDate: " + time.Now().Format(time.RFC1123Z) + "\r\nAuto-Submitted: auto-generated" +
		"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		strings.ReplaceAll(text, "\n", "\r\n"))
}

const (
	mailSenders  = 2
	mailsWaiting = 256
)

// outbox does what leads to a mail after the answer to the request, so that neither a slow mail server nor the work itself
// can be seen in the answer's time. At most mailsWaiting wait; more are dropped and counted.
type outbox struct {
	log     *slog.Logger
	dropped atomic.Int64

	mu      sync.Mutex
	waiting []func(context.Context) error
	senders int
	idle    *sync.Cond // senders became 0
}

func newOutbox(log *slog.Logger) *outbox {
	o := &outbox{log: log}
	o.idle = sync.NewCond(&o.mu)
	return o
}

func (o *outbox) add(job func(context.Context) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) >= mailsWaiting {
		o.dropped.Add(1)
		return
	}
	o.waiting = append(o.waiting, job)
	if o.senders < mailSenders {
		o.senders++
		go o.send()
	}
}

// send is started by add, and ends when nothing waits.
func (o *outbox) send() {
	for {
		o.mu.Lock()
		if len(o.waiting) == 0 {
			o.senders--
			o.idle.Broadcast()
			o.mu.Unlock()
			return
		}
		job := o.waiting[0]
		o.waiting = o.waiting[1:]
		o.mu.Unlock()
		if err := job(context.Background()); err != nil {
			o.dropped.Add(1)
			o.log.Error("mail not sent", "err", err)
		}
	}
}

// wait returns when nothing waits and nothing is being sent, or ctx ends.
func (o *outbox) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.idle.Broadcast()
	})
	defer stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.senders > 0 && ctx.Err() == nil {
		o.idle.Wait()
	}
}

// notify tells a user of a change that guards the sign-in, and the audit trail.
func (s *Service) notify(u User, action, text string) {
	s.audit(Event{AccountID: u.AccountID, UserID: u.ID, Action: action, ObjectType: "user", ObjectID: u.ID})
	s.notifyAt(u.EmailAddress, text)
}

func (s *Service) notifyAt(emailAddress, text string) {
	if _, off := s.mailer.(noMailer); off {
		return
	}
	s.outbox.add(func(ctx context.Context) error {
		return s.mailer.Send(ctx, emailAddress, "Your sign-in was changed",
			text+"\n\nIf this was not you, choose a new password at once:\n"+s.cfg.PublicURL+"/forgot-password\n")
	})
}
