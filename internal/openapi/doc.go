// Package openapi holds the document that describes every route of the platform, and the page to read it.
//
// The description is kept short, in a form of its own: a *.yaml file for each module says operations, nouns and schemas
// in shorthand (part.go, shorthand.go), and what is the same everywhere is added when the document is made: the seven
// verbs of a noun (noun.go), envelopes, paging, etags, JSON and form bodies, errors. The result is plain OpenAPI 3.0.
//
// The tests of the root hold the document to the router in both directions. What the REST tests of the root and of the
// modules ask and get is held to the document by openapitest.
package openapi
