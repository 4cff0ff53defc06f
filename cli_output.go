package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
)

// output is the -o flag: how a command shows what it got.
type output struct{ format string }

func (o *output) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "table", "output `format`: table, json or csv")
}

// A column is one member of the objects shown. Table and CSV show columns; JSON shows whole objects.
type column struct{ title, member string }

// list prints rows.
func (o *output) list(w io.Writer, rows []object, columns ...column) error {
	switch o.format {
	case "json":
		if rows == nil {
			rows = []object{}
		}
		return printJSON(w, rows)
	case "csv":
		return printCSV(w, rows, columns)
	case "table":
		return printTable(w, rows, columns)
	}
	return o.unknown()
}

// one prints a single object, in a table as one line per member.
func (o *output) one(w io.Writer, row object, columns ...column) error {
	switch o.format {
	case "json":
		return printJSON(w, row)
	case "csv":
		return printCSV(w, []object{row}, columns)
	case "table":
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, c := range columns {
			fmt.Fprintf(t, "%s\t%s\n", c.title, printable(cell(row[c.member])))
		}
		return t.Flush()
	}
	return o.unknown()
}

func (o *output) unknown() error {
	return usageError("output format %q is not table, json or csv", o.format)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func printTable(w io.Writer, rows []object, columns []column) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, c := range columns {
		fmt.Fprint(t, separator(i), c.title)
	}
	fmt.Fprintln(t)
	for _, row := range rows {
		for i, c := range columns {
			fmt.Fprint(t, separator(i), printable(cell(row[c.member])))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return "\t"
}

// printCSV writes RFC 4180 with a header of member names. A text that a spreadsheet would take for a formula gets a
// quote in front; numbers stay as they are.
func printCSV(w io.Writer, rows []object, columns []column) error {
	out := csv.NewWriter(w)
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.member
	}
	_ = out.Write(record) // errors stay in the writer until Flush
	for _, row := range rows {
		for i, c := range columns {
			record[i] = cell(row[c.member])
			if s, ok := row[c.member].(string); ok && strings.ContainsAny(first(s, " ")[:1], "=+-@\t\r") {
				record[i] = "'" + s
			}
		}
		_ = out.Write(record)
	}
	out.Flush()
	return out.Error()
}

// cell returns a JSON value as a short text.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// printable makes text from elsewhere safe for a terminal: one line, no escape codes, no direction marks.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

func sortedKeys(o object) []string { return slices.Sorted(maps.Keys(o)) }
