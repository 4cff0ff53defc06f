// Package auth holds the one type that says who is calling, and carries it in a context.
//
// It decides nothing: identity makes a Principal, the modules ask what it may do.
package auth

import "context"

// Kind says what sort of caller a Principal is.
type Kind uint8

const (
	Nobody      Kind = iota // the zero Principal: not authenticated
	AccountUser             // an admin of the account
	EndUser                 // a user of the connected product
	Device                  // a device, by its MQTT credential
	Application             // a back end or app, by appId and appToken
	Anonymous               // a client without credentials, where broker.anonymous allows it
	Platform                // the platform itself, publishing on its own channels; nobody can sign in as it
)

var kindNames = [...]string{"nobody", "accountUser", "endUser", "device", "application", "anonymous", "platform"}

// String returns the REST API's word for the kind, such as "accountUser".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// KindOf is the reverse of Kind.String; an unknown word gives Nobody.
func KindOf(name string) Kind {
	for k, n := range kindNames {
		if n == name {
			return Kind(k)
		}
	}
	return Nobody
}

// Principal is an authenticated caller. It is comparable: two connections with equal Principals are the same caller.
// Ids are lower-case UUID strings.
type Principal struct {
	Kind      Kind
	AccountID string // the tenant; everything a Principal can reach lies inside it
	ID        string // the blueprint entity: device, endUser or accountUser id; the appId for an Application
	UserID    string // the identity behind an accountUser or endUser; "" for others
	SessionID string // the sign-in session a token belongs to; "" when the caller used a credential
}

// Authenticated reports whether p is somebody.
func (p Principal) Authenticated() bool { return p.Kind != Nobody }

// String names the principal for a log line: "device 0b6e…".
func (p Principal) String() string {
	if p.ID == "" {
		return p.Kind.String()
	}
	return p.Kind.String() + " " + p.ID
}

type contextKey struct{}

// NewContext returns ctx carrying p.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the Principal in ctx, or the zero Principal.
func FromContext(ctx context.Context) Principal {
	p, _ := ctx.Value(contextKey{}).(Principal)
	return p
}
