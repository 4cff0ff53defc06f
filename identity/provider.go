package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"xively/internal/fault"
	"xively/storage"
)

// Provider is an OpenID provider whose users may sign in to the account.
type Provider struct {
	ID        string    `json:"id"`
	AccountID string    `json:"accountId"`
	Name      string    `json:"name"`
	Issuer    string    `json:"issuer"`
	ClientID  string    `json:"clientId"`
	Secret    []byte    `json:"secret,omitempty"` // sealed; none for a public client
	Scopes    []string  `json:"scopes,omitempty"` // besides openid, email and profile
	Disabled  bool      `json:"disabled,omitempty"`
	Created   time.Time `json:"created"`
	Version   int       `json:"version"`
	Rule      Rule      `json:"rule"`
}

// Rule says who becomes a user at the first sign-in, and what kind of.
type Rule struct {
	// CreateUsers makes a user of everybody who signs in there for the first time and fits the rest of the rule.
	CreateUsers bool `json:"createUsers"`
	// EmailDomains, when there are any, limit that to these domains.
	EmailDomains []string `json:"emailDomains,omitempty"`
	// GroupsClaim names the claim that lists groups. Default "groups".
	GroupsClaim string `json:"groupsClaim,omitempty"`
	// AdminGroups make an account user of whoever is in one of them.
	AdminGroups []string `json:"adminGroups,omitempty"`
	// Organizations maps a group to the organization whose end user its members become; the first that fits counts.
	Organizations []GroupRule `json:"organizations,omitempty"`
	// OrganizationID is for whom no group fits; "" turns them away.
	OrganizationID    string `json:"organizationId,omitempty"`
	EndUserTemplateID string `json:"endUserTemplateId,omitempty"`
}

// GroupRule gives the members of a provider's group their place.
type GroupRule struct {
	Group          string `json:"group"`
	OrganizationID string `json:"organizationId"`
}

// Link says that a user is who a provider's subject is.
type Link struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

func linkKey(accountID string, l Link) string {
	sum := sha256.Sum256([]byte(l.Issuer + "\x00" + l.Subject))
	return accountID + "/" + hex.EncodeToString(sum[:])
}

func providerPlace(p Provider) string { return providersBucket + "/" + p.AccountID + "/" + p.ID }

func (p *Provider) validate() error {
	if err := validateName("name", p.Name); err != nil {
		return err
	}
	u, err := url.Parse(p.Issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(p.Issuer) > 500 {
		return fault.Field("issuer", "This must be the provider's issuer: https:// and a host, perhaps with a path.")
	}
	if p.ClientID == "" || len(p.ClientID) > 500 {
		return fault.Field("clientId", "This must be the client id the provider gave out, of at most 500 bytes.")
	}
	ids := map[string]string{"organizationId": p.Rule.OrganizationID, "endUserTemplateId": p.Rule.EndUserTemplateID}
	for i, g := range p.Rule.Organizations {
		ids[fmt.Sprintf("organizations[%d].organizationId", i)] = g.OrganizationID
	}
	for field, id := range ids {
		if id != "" && !isID(id) {
			return fault.Field("rule."+field, "This must be an id: a lower-case UUID.")
		}
	}
	if len(p.Rule.EmailDomains)+len(p.Rule.AdminGroups)+len(p.Rule.Organizations)+len(p.Scopes) > 200 {
		return fault.Field("rule", "The rule is too long.")
	}
	return nil
}

func noProvider() error {
	return fault.New(fault.NotFound, "There is no identity provider with this id in the account.")
}

func (s *Service) provider(accountID, id string) (p Provider, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		found, err := get(tx, providersBucket, accountID+"/"+id, &p)
		if err == nil && !found {
			err = noProvider()
		}
		return err
	})
	return p, err
}

// Providers returns the account's providers by name.
func (s *Service) Providers(accountID string) (all []Provider, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key, value := range tx.Bucket(providersBucket).Prefix([]byte(accountID + "/")) {
			var p Provider
			if err := decode(providersBucket, string(key), value, &p); err != nil {
				return err
			}
			all = append(all, p)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Provider) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) })
	return all, err
}

func (s *Service) storeProvider(p Provider, secret *string) (Provider, error) {
	if err := p.validate(); err != nil {
		return p, err
	}
	if secret != nil {
		p.Secret = nil
		if *secret != "" {
			p.Secret = s.keys.seal.seal(providerPlace(p), []byte(*secret))
		}
	}
	p.Version++
	return p, s.db.Update(func(tx *storage.Tx) error {
		n := 0
		for range tx.Bucket(providersBucket).Prefix([]byte(p.AccountID + "/")) {
			n++
		}
		if p.Version == 1 && n >= maxProviders {
			return fault.New(fault.Conflict, "There are %d identity providers, which is as many as there can be.", n)
		}
		return put(tx, providersBucket, p.AccountID+"/"+p.ID, p)
	})
}
