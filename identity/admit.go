package identity

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

// external is who a provider says somebody is.
type external struct {
	Link
	EmailAddress  string
	EmailVerified bool
	FirstName     string
	LastName      string
	Groups        []string
}

func readClaims(link Link, claims map[string]any, rule Rule) external {
	text := func(name string) string {
		v, _ := claims[name].(string)
		return strings.TrimSpace(v)
	}
	who := external{Link: link, EmailAddress: text("email"), FirstName: text("given_name"), LastName: text("family_name")}
	who.EmailVerified = claims["email_verified"] == true || claims["email_verified"] == "true"
	if who.FirstName == "" && who.LastName == "" {
		who.FirstName = text("name")
	}
	claim := rule.GroupsClaim
	if claim == "" {
		claim = "groups"
	}
	switch groups := claims[claim].(type) {
	case string:
		who.Groups = []string{groups}
	case []any:
		for _, g := range groups {
			if name, ok := g.(string); ok {
				who.Groups = append(who.Groups, name)
			}
		}
	}
	return who
}

// federatedUser returns the user a provider's subject is linked to, or makes one as the rule allows.
// Errors: fault Forbidden, which says why not.
func (s *Service) federatedUser(p Provider, who external) (u User, err error) {
	var refused error
	err = s.db.Update(func(tx *storage.Tx) error {
		key := linkKey(p.AccountID, who.Link)
		if id := tx.Bucket(linksBucket).Get([]byte(key)); id != nil {
			u, err = mustGetUser(tx, p.AccountID, string(id))
			if err == nil && u.Disabled {
				err = fault.New(fault.Forbidden, "This user may not sign in.")
			}
			return err
		}
		u, refused = s.admit(tx, p, who)
		if refused != nil {
			return refused
		}
		tx.Bucket(linksBucket).Put([]byte(key), []byte(u.ID))
		s.log.Info("user made at a first sign-in", "account_id", u.AccountID, "user_id", u.ID, "provider_id", p.ID)
		return nil
	})
	return u, err
}

// admit makes a user by the provider's rule.
func (s *Service) admit(tx *storage.Tx, p Provider, who external) (User, error) {
	_, domain, _ := strings.Cut(foldEmail(who.EmailAddress), "@")
	switch {
	case !p.Rule.CreateUsers:
		return User{}, fault.New(fault.Forbidden, "You are not linked to a user here. Ask an admin, or sign in with your password and link the two.")
	case !who.EmailVerified || validateEmail(who.EmailAddress) != nil:
		return User{}, fault.New(fault.Forbidden, "The identity provider gives no verified e-mail address for you.")
	case len(p.Rule.EmailDomains) > 0 && !slices.ContainsFunc(p.Rule.EmailDomains, func(d string) bool { return strings.EqualFold(d, domain) }):
		return User{}, fault.New(fault.Forbidden, "Your e-mail address is not of a domain that may sign in here.")
	}
	if _, taken := userIDByEmail(tx, p.AccountID, foldEmail(who.EmailAddress)); taken {
		return User{}, fault.New(fault.Forbidden, "There is a user with your e-mail address already. Sign in with the password and link the two.")
	}
	members, err := s.members()
	if err != nil {
		return User{}, err
	}
	u := User{ID: uuid.NewString(), AccountID: p.AccountID, EmailAddress: who.EmailAddress, EmailVerified: true,
		FirstName: cutName(who.FirstName), LastName: cutName(who.LastName), Created: s.now().UTC(), Links: []Link{who.Link}}
	if err := u.validate(); err != nil {
		return User{}, err
	}
	in := func(group string) bool { return slices.Contains(who.Groups, group) }
	if slices.ContainsFunc(p.Rule.AdminGroups, in) {
		_, err = members.AddAccountUser(tx, u.AccountID, u.ID, u.Name())
	} else {
		organization := p.Rule.OrganizationID
		for _, rule := range p.Rule.Organizations {
			if in(rule.Group) {
				organization = rule.OrganizationID
				break
			}
		}
		if organization == "" {
			return User{}, fault.New(fault.Forbidden, "You are in no group that may sign in here.")
		}
		_, err = members.AddEndUser(tx, u.AccountID, u.ID, u.Name(), u.EmailAddress, organization, p.Rule.EndUserTemplateID)
	}
	if err != nil {
		return User{}, err
	}
	return u, addUser(tx, u)
}

// cutName makes a provider's text fit for a name.
func cutName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, name)
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	return name
}

// linkUser ties a provider's subject to a user who is signed in. Error: fault Conflict when it is somebody else's.
func (s *Service) linkUser(accountID, userID string, link Link) error {
	u, err := s.changeUser(accountID, userID, func(tx *storage.Tx, u *User) error {
		key := []byte(linkKey(accountID, link))
		if id := tx.Bucket(linksBucket).Get(key); id != nil && string(id) != userID {
			return fault.New(fault.Conflict, "Another user is linked to this identity.")
		}
		tx.Bucket(linksBucket).Put(key, []byte(userID))
		if !slices.Contains(u.Links, link) {
			u.Links = append(u.Links, link)
		}
		return nil
	})
	if err == nil {
		s.notify(u, "link.added", "You can sign in by way of "+link.Issuer+" from now on.")
	}
	return err
}
