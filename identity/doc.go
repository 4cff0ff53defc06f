// Package identity knows who is calling: accounts (tenants), their users, passwords, sign-in sessions, and the tokens
// and keys that prove a session.
//
// # How a caller is known
//
// POST /auth/login-user checks a password and starts a Session, which lives 14 days. Its proof is a JWT that lives 20
// minutes. A call with a JWT that has run out still succeeds while its session lives, and the answer carries a fresh
// one; clients in the field count on that. So the session, and not the JWT, is what ends a sign-in: POST /auth/logout,
// a disabled user or the session's age make every JWT of it worthless at once, whatever its own expiry says. Renewed
// JWTs are no single-use refresh tokens for the same reason: two requests in flight may both renew.
//
// Whether the user is an admin or an end user, and under which id, is the directory's knowledge: identity asks it at
// each Verify through Directory and keeps no copy, so a right that is taken away is gone with the next call.
//
// # What the package keeps to
//
//   - Passwords are stored as argon2id, renewal keys as SHA-256, signing keys sealed; nothing stored can be presented.
//   - At most two passwords are hashed at a time, with a short queue behind them; the rest is told to come back.
//   - An e-mail address nobody has is answered as a wrong password is, after the same work.
//   - Seven wrong passwords for one address lock it for 30 minutes, whether it exists or not. Counted in memory: a
//     restart forgets them.
//   - A token is looked at only up to 8 KiB, must be RS256 by a key of this installation, and no header may name
//     another key or rule.
//   - There is no default account and no default password. While no account exists, a one-time token made at each
//     start, never stored, allows POST /setup to make the first.
//
// # Endpoints, below the group's path
//
//	POST /auth/login-user          e-mail address and password → jwt
//	POST /auth/logout              ends the session
//	GET  /auth/validate-jwt?jwt=   is this token good now
//	POST /sessions/renew-session   jwt, run out or not → jwt
//	GET  /setup                    is the first account still to be made
//	POST /setup                    make it
package identity
