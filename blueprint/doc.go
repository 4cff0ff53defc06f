// Package blueprint is the directory: what exists in an account, who may use which topic, and what a topic means.
//
// Its nouns are organizations, devices, account users, their templates, the channel templates of device templates, and
// MQTT credentials. Each noun is a table of fields (a kind: organization.go, device.go, …) over one small engine:
// field.go reads request values, directory.go creates, changes, deletes and recovers, list.go finds, http.go speaks
// REST, store.go knows the keys. A new noun is a new table; the engine does not change.
//
// Every noun R answers GET R, POST R, GET, PUT, PATCH and DELETE R/{id}, and POST R/{id}/recover:
//
//	organizations  organizations/templates  devices  devices/templates  channels/templates
//	account-users  account-users/templates  access/mqtt-credentials
//
// What it promises:
//
//   - A 2xx to a write follows the fsync of the write. A write is one transaction: checks and changes see one state, so
//     of fifty creates with one serial number exactly one wins.
//   - Nothing of another account can be told from nothing at all: the same 404, by the same path.
//   - PUT is partial, unknown and server-kept members are ignored, an etag is optional; a stale one is refused.
//   - version changes when somebody changes an object through the API and not otherwise. What the server keeps by itself
//     (connected, provisioningState, …) leaves it alone, so a device coming online cannot make an open form stale.
//   - Deletes are soft and take along what has no meaning alone (a device's credential, a template's channels); recover
//     brings both back. What others still refer to cannot be deleted.
//   - A secret is shown once. Stored is its SHA-256 and nothing else.
//   - Access (access.go) is judged on the concrete topic, and every refusal names its rule.
//
// It leaves to others: who is signed in (identity), moving messages (broker), what happens to a channel's messages
// (timeseries, logging). Ids are random UUIDs (version 4): they are seen in topics by people who should not be able to
// read from them when something was made, or guess the next.
package blueprint
