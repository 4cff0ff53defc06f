package blueprint

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// Imports over REST:
//
//	POST /devices/import?dryRun=&credentials=&createOrganizations=&deviceTemplateId=&organizationId=&map=Column:field,Other:&wait=
//	     the CSV file as body; answers {"import":{"id","state",…}} at once, or with wait=true when it is done
//	GET  /devices/import         the account's latest imports
//	GET  /devices/import/{id}    how far it is, and its report
//
// Reports live in memory: the latest jobsPerAccount of an account, until the server stops. Secrets are in the report that
// answers a finished import first, and then no more.
const (
	MaxImportBytes = 64 << 20 // of a file; its route needs a larger body than the others
	jobsPerAccount = 20
	mostRunning    = 2 // imports at a time, in all accounts
)

// jobs are the imports of this process. Their goroutines are started by startImport and end with the file or with close.
type jobs struct {
	stop chan struct{}
	done sync.WaitGroup
	once sync.Once

	mu      sync.Mutex
	running int
	of      map[string][]*job // by account, oldest first
}

type job struct {
	finished chan struct{}

	mu     sync.Mutex
	report importReport
}

func (j *jobs) init() { j.stop, j.of = make(chan struct{}), map[string][]*job{} }

func (j *jobs) close() {
	j.once.Do(func() { close(j.stop) })
	j.done.Wait()
}

func (s *Service) importRoutes(g *echo.Group) {
	g.POST("/devices/import", s.postImport)
	g.GET("/devices/import", s.listImports)
	g.GET("/devices/import/:id", s.getImport)
}

func (s *Service) postImport(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	if err := s.importersOnly(c); err != nil {
		return err
	}
	opt, err := parseImportOptions(c)
	if err != nil {
		return err
	}
	rows, err := readCSV(http.MaxBytesReader(c.Response(), c.Request().Body, MaxImportBytes), opt)
	if err != nil {
		return err
	}
	j, err := s.startImport(callerOf(c), opt, rows)
	if err != nil {
		return err
	}
	if wait, _ := rest.Bool(c.QueryParam("wait")); wait {
		select {
		case <-j.finished:
		case <-c.Request().Context().Done(): // the import goes on
		}
	}
	return rest.One(c, "import", j.show(true))
}

// importersOnly lets admins import, whose files may name any organization.
func (s *Service) importersOnly(c echo.Context) error {
	return s.viewFor(callerOf(c), func(t *txn) error { return t.adminsOnly("the import") })
}

func parseImportOptions(c echo.Context) (opt importOptions, err error) {
	for name, to := range map[string]*bool{"dryRun": &opt.dryRun, "credentials": &opt.credentials, "createOrganizations": &opt.makeGroups} {
		if v := c.QueryParam(name); v != "" {
			ok := false
			if *to, ok = rest.Bool(v); !ok {
				return opt, fault.Field(name, "This must be true or false.")
			}
		}
	}
	opt.template, opt.group = c.QueryParam("deviceTemplateId"), c.QueryParam("organizationId")
	opt.columns = map[string]string{}
	for _, pair := range strings.Split(c.QueryParam("map"), ",") {
		if pair == "" {
			continue
		}
		i := strings.LastIndexByte(pair, ':')
		if i < 0 {
			return opt, fault.Field("map", "%s is not of the form column:field.", quote(pair))
		}
		opt.columns[strings.TrimSpace(pair[:i])] = strings.TrimSpace(pair[i+1:])
	}
	return opt, nil
}

func (s *Service) startImport(c caller, opt importOptions, rows []importRow) (*job, error) {
	j := &job{finished: make(chan struct{}), report: importReport{ID: uuid.NewString(), State: "running", DryRun: opt.dryRun,
		Started: timeText(s.now().UnixMilli()), TotalRows: len(rows), Errors: []importError{}}}
	if err := s.jobs.admit(c.p.AccountID, j); err != nil {
		return nil, err
	}
	s.jobs.done.Go(func() {
		defer close(j.finished)
		defer s.jobs.release()
		began := s.now()
		im := &importer{s: s, c: c, opt: opt, report: j.change, seen: make(map[string]int, len(rows))}
		err := im.run(rows, s.jobs.stop)
		if err != nil {
			s.log.Warn("import ended early", "import", j.report.ID, "err", err)
		}
		j.change(func(r *importReport) { r.finish(err, s.now(), s.now().Sub(began)) })
	})
	return j, nil
}

func (r *importReport) finish(err error, at time.Time, took time.Duration) {
	end := timeText(at.UnixMilli())
	r.State, r.Finished, r.Text = "done", &end, r.summary(took)
	if err == nil {
		return
	}
	r.State = "failed"
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		r.Text = f.Message + " " + r.Text
	} else {
		r.Text = "The import failed on the server. " + r.Text
	}
}

func (j *jobs) admit(account string, started *job) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running >= mostRunning {
		return fault.New(fault.TooMany, "%d imports are running already. Try again when one is done.", j.running)
	}
	j.running++
	all := append(j.of[account], started)
	j.of[account] = all[max(0, len(all)-jobsPerAccount):]
	return nil
}

func (j *jobs) release() {
	j.mu.Lock()
	j.running--
	j.mu.Unlock()
}

func (j *job) change(fn func(*importReport)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fn(&j.report)
}

// show returns the report as it is now; with secrets, those of a finished import are handed out and forgotten.
func (j *job) show(secrets bool) importReport {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.report
	r.Errors = append([]importError{}, r.Errors...)
	if !secrets || r.State == "running" {
		r.Secrets = nil
	} else {
		j.report.Secrets = nil
	}
	return r
}

func (s *Service) listImports(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	if err := s.importersOnly(c); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	s.jobs.mu.Lock()
	all := s.jobs.of[rest.Caller(c).AccountID]
	s.jobs.mu.Unlock()
	reports := []importReport{}
	for i := len(all) - 1 - page.Offset(); i >= 0 && len(reports) < page.PageSize; i-- {
		reports = append(reports, all[i].show(false))
	}
	return rest.List(c, "imports", reports, len(all), page)
}

func (s *Service) getImport(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	if err := s.importersOnly(c); err != nil {
		return err
	}
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	for _, j := range s.jobs.of[rest.Caller(c).AccountID] {
		if j.report.ID == c.Param("id") { // constant
			return rest.One(c, "import", j.show(true))
		}
	}
	return fault.New(fault.NotFound, "There is no import with this id; reports are kept until the server stops.")
}
