package identity

import "context"

// SendTestMail sends a mail that says nothing but that it works, and returns when the mail server has taken it. The error is the
// mail server's own, for the operator to read.
func (s *Service) SendTestMail(ctx context.Context, to string) error {
	return s.mailer.Send(ctx, to, "A test of the mail settings", "This mail was sent to see whether mails from "+s.cfg.PublicURL+" arrive. They do.\n")
}
