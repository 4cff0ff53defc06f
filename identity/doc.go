// Package identity knows who is calling: accounts (tenants), their users, passwords, second factors, sign-in sessions, and
// the tokens and keys that prove them; the applications and API keys that call without a person; and OpenID both ways,
// signing in here for others and at others for here.
//
// # How a caller is known
//
// POST /auth/login-user checks a password and starts a Session, which lives 14 days. Its proof is a JWT that lives 20
// minutes. A call with a JWT that has run out still succeeds while its session lives, and the answer carries a fresh
// one; clients in the field count on that. So the session, and not the JWT, is what ends a sign-in: POST /auth/logout,
// DELETE /sessions, a changed password, a disabled user or the session's age make every JWT of it worthless at once,
// whatever its own expiry says, and OnEnd tells others to close what they hold open for it. Renewed JWTs are no single-use
// refresh tokens for the same reason: two requests in flight may both renew.
//
// Whether the user is an admin or an end user, and under which id, is the directory's knowledge: identity asks it at
// each Verify through Directory and keeps no copy, so a right that is taken away is gone with the next call.
//
// Besides sessions of users there are those of back-end applications (POST /auth/login-application), those that users
// granted to other servers (oauth.go; limited by scope, and not renewed by use), and API keys (apikey.go; limited by
// scope). The last two never reach the routes of this package, which guard the sign-in itself. What changes how one signs
// in wants a password shown in the last 15 minutes: by signing in, or POST /auth/confirm.
//
// # What the package keeps to
//
//   - Passwords are stored as argon2id, renewed when the parameters change; what is given out (API keys, application tokens,
//     reset, invitation and authorization codes) as SHA-256 of 256 random bits; signing keys, shared secrets of second
//     factors and secrets for other providers sealed; refresh tokens not at all. Nothing stored can be presented.
//   - At most two passwords are hashed at a time, one on a machine of two cores, with a short queue behind; the rest is told to come back.
//   - An e-mail address nobody has is answered as a wrong password is, after the same work; a forgotten password likewise,
//     before any work.
//   - Seven wrong passwords or codes for one address lock it for 30 minutes, whether it exists or not; a reset by mail lifts
//     the lock. Thirty wrong secrets of any kind from one network address, and it has to wait. Both counted in memory: a
//     restart forgets them.
//   - A token is looked at only up to 8 KiB, must be RS256 by a key of this installation, and no header may name
//     another key or rule.
//   - Links in mails and OpenID's issuer begin with Config.PublicURL, never with what a request says.
//   - Somebody is recognised at another provider by issuer and subject. An e-mail address there never opens a user's door
//     here: the two are linked by the user, signed in.
//   - No account is ever without an admin who can sign in, as far as this package can prevent it.
//   - There is no default account and no default password. While no account exists, a one-time token made at each
//     start, never stored, allows POST /setup to make the first.
//
// # Endpoints, below /api/v1
//
//	POST   /auth/login-user              e-mail address, password, oneTimeCode if need be → jwt
//	POST   /auth/login-application       appId, appToken of a back end → jwt
//	POST   /auth/create-user             by AccessToken or an admin → a user
//	POST   /auth/forgot-password         mails a link
//	POST   /auth/confirm                 password, oneTimeCode: it is still the user
//	POST   /auth/logout                  ends the session
//	GET    /auth/validate-jwt?jwt=       is this token of the caller's account good now
//	GET    /auth/providers?accountId=    what the sign-in page offers
//	POST   /sessions/renew-session       jwt, run out or not → jwt
//	GET    /sessions                     one's own, or for admins ?userId=; DELETE all others, or /sessions/{id}
//	GET    /users                        for admins; PUT {disabled} and DELETE /users/{id}, DELETE /users/{id}/second-factor
//	GET    /users/by-email/{email}/user-id, /users/{id}/password-reset-token     by AccessToken
//	POST   /users/{id}/change-password-with-token, /users/batch
//	GET    /profile/{id}                 POST /profile/update, update-email-address, change-password
//	GET    /second-factor                POST begins, /confirm ends, /recovery-codes renews; DELETE
//	GET    /applications                 for admins; POST; GET, PUT, DELETE /{id}; POST /{id}/token
//	GET    /api-keys                     POST; DELETE /{id}
//	GET    /invitations                  for admins; POST; DELETE /{id}; by the link: POST /read, /accept
//	GET    /identity-providers           for admins; POST; GET, PUT, DELETE /{id}
//	GET    /setup                        is the first account still to be made; POST makes it
//
// Outside of it: /.well-known/openid-configuration and jwks.json, /oauth2/authorize, token, revoke, userinfo for those who
// sign in here; /oauth2/start and callback to sign in elsewhere.
package identity
