package timeseries

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// Formats of an export.
const (
	formatCSVName    = "csv"
	formatNDJSONName = "ndjson"
)

const (
	exportPage  = 5000             // points read at a time
	exportSlice = 30 * time.Second // a reader that takes longer for a slice of the answer is cut off
)

// csvHeader is the first line of an export, which ingest takes back.
const csvHeader = "time,category,numericValue,stringValue"

// export streams all points of the range, oldest first, with times to the millisecond. It holds a page of points and no
// more, and no view of the store while it waits for the reader. What fails after the first page cuts the connection, so
// that nobody takes a part for the whole.
func (s *Service) export(c echo.Context, q Query, v view) error {
	q.PageSize = exportPage
	ctx := context.WithoutCancel(c.Request().Context()) // as long as it takes; each page is bounded
	page, err := s.exportPage(ctx, q)
	if err != nil {
		return err
	}
	if len(page.Points) == 0 {
		return noData(q.Topic)
	}
	out := c.Response()
	out.Header().Set("Cache-Control", "no-store")
	out.Header().Set("Content-Type", map[string]string{formatCSVName: "text/csv; charset=utf-8", formatNDJSONName: "application/x-ndjson"}[v.format])
	out.Header().Set("Content-Disposition", `attachment; filename="data.`+v.format+`"`)
	out.WriteHeader(http.StatusOK)
	deadline := http.NewResponseController(out)
	var buf []byte
	if v.format == formatCSVName {
		buf = append(buf, csvHeader+"\n"...)
	}
	for {
		buf = appendExport(buf, page.Points, v)
		if err := deadline.SetWriteDeadline(s.now().Add(exportSlice)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := out.Write(buf); err != nil {
			panic(http.ErrAbortHandler)
		}
		if q.Token = page.Token; q.Token == "" {
			return nil
		}
		if page, err = s.exportPage(ctx, q); err != nil {
			s.log.Error("export cut off", "topic", q.Topic, "err", err)
			panic(http.ErrAbortHandler)
		}
		buf = buf[:0]
	}
}

func (s *Service) exportPage(ctx context.Context, q Query) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.Read(ctx, q)
}

func appendExport(buf []byte, points []Point, v view) []byte {
	for i := range points {
		p := &points[i]
		if v.format == formatCSVName {
			buf = append(appendCSV(buf, p, v.epoch), '\n')
			continue
		}
		buf = append(buf, `{"time":`...)
		if v.epoch {
			buf = strconv.AppendInt(buf, p.Time, 10)
		} else {
			buf = append(append(append(buf, '"'), exportTime(p.Time)...), '"')
		}
		j := jsonBuffer{buf: buf, omitNull: v.omitNull}
		j.categoryMember(p.Has&HasCategory != 0, p.Category)
		if p.Has&HasNumeric != 0 {
			j.number("numericValue", p.Numeric)
		} else {
			j.null("numericValue")
		}
		if p.Has&HasString != 0 {
			j.name("stringValue")
			j.buf = appendString(j.buf, p.String)
		} else {
			j.null("stringValue")
		}
		buf = append(j.buf, "}\n"...)
	}
	return buf
}

func exportTime(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func appendCSV(buf []byte, p *Point, epoch bool) []byte {
	if epoch {
		buf = strconv.AppendInt(buf, p.Time, 10)
	} else {
		buf = append(buf, exportTime(p.Time)...)
	}
	buf = appendCell(append(buf, ','), p.Category)
	buf = append(buf, ',')
	if p.Has&HasNumeric != 0 {
		buf = appendNumber(buf, p.Numeric)
	}
	return appendCell(append(buf, ','), p.String)
}

// appendCell quotes what CSV wants quoted, and text that a spreadsheet would take for a formula gets an apostrophe in front:
// devices are strangers.
func appendCell(buf []byte, s string) []byte {
	formula := s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0
	if !formula && !strings.ContainsAny(s, "\",\r\n") && strings.TrimSpace(s) == s {
		return append(buf, s...)
	}
	buf = append(buf, '"')
	if formula {
		buf = append(buf, '\'')
	}
	buf = append(buf, strings.ReplaceAll(s, `"`, `""`)...)
	return append(buf, '"')
}
