// Package topic knows topic names and topic filters: which are well formed, which filter matches which name, and how to
// find, among very many, the filters that match one name ([Tree]) or the names that match one filter ([Names]).
//
// A name is a row of levels with slashes between them; a level may be empty, so "/a" has two. In a filter the level +
// stands for any one level, and a last level # for any number of further levels, none included. Everything is
// compared byte by byte [MQTT-4.7.3-4]; nothing is normalized. Names that begin with $ are matched by no filter that
// begins with a wildcard [MQTT-4.7.2-1].
//
// The matching functions are safe for any string. In one that [CheckFilter] would refuse, a + or # that is not a
// level of its own, and a # that is not the last level, is an ordinary character.
//
// Nothing here locks. Reading methods (Match, Get, Len) change nothing and may run at the same time as each other, not
// at the same time as Set or Delete. Nothing recurses, so the depth of a name costs no stack.
package topic
