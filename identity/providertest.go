package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// providerTest tells an admin what of a provider works, without anybody signing in.
type providerTest struct {
	OK    bool           `json:"ok"`
	Steps []providerStep `json:"steps"` // in order, up to the first that failed
}

type providerStep struct {
	Code string `json:"code"` // discovery, issuer, endpoints, keys
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// postTestProvider asks the provider anew for its metadata and its keys, by the same client and under the same rules as a sign-in does:
// public addresses only unless private_providers, no redirects, bounded answers.
func (s *Service) postTestProvider(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	if _, err := rest.Body(c); err != nil {
		return err
	}
	p, err := s.provider(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	return rest.One(c, "providerTest", s.testProvider(c.Request().Context(), p))
}

func (s *Service) testProvider(ctx context.Context, p Provider) providerTest {
	out := providerTest{Steps: []providerStep{}}
	step := func(code string, err error, good string) bool {
		if err != nil {
			good = reachError(err)
		}
		out.Steps = append(out.Steps, providerStep{code, err == nil, good})
		return err == nil
	}
	var said struct {
		Issuer        string `json:"issuer"`
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
		Keys          string `json:"jwks_uri"`
	}
	at := strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration"
	if !step("discovery", s.federation.getJSON(ctx, at, &said), "The provider answers at "+at+".") {
		return out
	}
	err := error(nil)
	if said.Issuer != p.Issuer {
		err = fmt.Errorf("the provider calls itself %.200q; here it is known as %.200q", said.Issuer, p.Issuer)
	}
	if !step("issuer", err, "The provider calls itself by the issuer that is set here.") {
		return out
	}
	for name, address := range map[string]string{"authorization_endpoint": said.Authorization, "token_endpoint": said.Token, "jwks_uri": said.Keys} {
		if u, bad := url.Parse(address); bad != nil || u.Host == "" {
			err = fmt.Errorf("the provider's %s is not an address: %.200q", name, address)
		}
	}
	if !step("endpoints", err, "People sign in at "+said.Authorization+".") {
		return out
	}
	var keys struct {
		Keys []struct {
			Type string `json:"kty"`
			Use  string `json:"use"`
		} `json:"keys"`
	}
	err = s.federation.getJSON(ctx, said.Keys, &keys)
	if err == nil && len(keys.Keys) == 0 {
		err = errors.New("the provider shows no keys, so nothing that it signs can be verified")
	}
	out.OK = step("keys", err, fmt.Sprintf("The provider shows %d keys.", len(keys.Keys)))
	return out
}

// getJSON asks a provider.
func (f *federation) getJSON(ctx context.Context, address string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers with status %d", address, resp.StatusCode)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s does not answer with JSON", address)
	}
	return nil
}

// reachError is what went wrong, as a sentence.
func reachError(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Message
	}
	if errors.Is(err, errNotPublic) { // which address it is, is nobody's business who does not run the server
		return "The provider's address is not a public one; the setting identity.private_providers allows it."
	}
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
