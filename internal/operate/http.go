package operate

import (
	"fmt"
	"net/mail"
	"path/filepath"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// Routes mounts the REST API on g, which is /api/v1 behind authentication and for admins only.
//
//	GET    /overview               figures of the account, and of the server for its operator
//	GET    /overview/live          the live part of them, as server-sent events every two seconds
//	GET    /limits                 what the account has of what is limited, and how long things are kept
//
// For the operator only:
//
//	GET    /backups                all backups, the newest first
//	POST   /backups                make one now: ?wait=
//	GET    /backups/schedule       when they are made by themselves, where they lie, how to restore one
//	PUT    /backups/schedule       {"everyHours":24,"keep":7}
//	GET    /backups/:name          one
//	GET    /backups/:name/file     its file, for people who are signed in: it holds every secret of the server
//	POST   /backups/:name/restore  put it in the place of everything the server has, and start again: ?wait=
//	DELETE /backups/:name          remove it
//	GET    /server/certificate     what clients are shown
//	GET    /server/mail            how mails go out
//	POST   /server/mail/test       send one: {"to":"…"}
func (s *Service) Routes(g *echo.Group) {
	g.GET("/overview", s.getOverview)
	g.GET("/overview/live", s.getLive)
	g.GET("/limits", s.getLimits)
	g.GET("/backups", s.getBackups, s.operatorsOnly)
	g.POST("/backups", s.postBackup, s.operatorsOnly)
	g.GET("/backups/schedule", s.getSchedule, s.operatorsOnly)
	g.PUT("/backups/schedule", s.putSchedule, s.operatorsOnly)
	g.GET("/backups/:name", s.getBackup, s.operatorsOnly)
	g.GET("/backups/:name/file", s.getBackupFile, s.operatorsOnly)
	g.POST("/backups/:name/restore", s.postRestore, s.operatorsOnly)
	g.DELETE("/backups/:name", s.deleteBackup, s.operatorsOnly)
	g.GET("/server/certificate", s.getCertificate, s.operatorsOnly)
	g.GET("/server/mail", s.getMail, s.operatorsOnly)
	g.POST("/server/mail/test", s.postTestMail, s.operatorsOnly)
}

// operatorsOnly keeps admins of other accounts from what is of the whole server.
func (s *Service) operatorsOnly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !s.source.Operator(rest.Caller(c).AccountID) {
			return fault.New(fault.Forbidden, "Only admins of the account that runs this server, the first that was made on it, may do this.")
		}
		return next(c)
	}
}

func (s *Service) getOverview(c echo.Context) error {
	o, err := s.overview(c.Request().Context(), rest.Caller(c).AccountID)
	if err != nil {
		return err
	}
	return rest.One(c, "overview", o)
}

func (s *Service) getLimits(c echo.Context) error {
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	all, err := s.source.Limits(rest.Caller(c).AccountID)
	if err != nil {
		return err
	}
	return rest.List(c, "limits", all, len(all), page)
}

func (s *Service) getBackups(c echo.Context) error {
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	all, err := s.backups.list()
	if err != nil {
		return err
	}
	return rest.List(c, "backups", all[min(page.Offset(), len(all)):min(page.Offset()+page.PageSize, len(all))], len(all), page)
}

// postBackup answers at once, and with wait=true when the backup is done, however it ended.
func (s *Service) postBackup(c echo.Context) error {
	if _, err := rest.Body(c); err != nil {
		return err
	}
	one, err := s.backups.begin(byHand)
	if err != nil {
		return err
	}
	s.source.Did(rest.Caller(c), "backup.created", one.Name, c.RealIP())
	if wait, _ := rest.Bool(c.QueryParam("wait")); wait {
		if one, err = s.backups.await(c.Request().Context(), one.Name); err != nil {
			return err
		}
	}
	return rest.One(c, "backup", one)
}

func (s *Service) getBackup(c echo.Context) error {
	one, err := s.backups.find(c.Param("name"))
	if err != nil {
		return err
	}
	return rest.One(c, "backup", one)
}

func (s *Service) getBackupFile(c echo.Context) error {
	one, err := s.backups.find(c.Param("name"))
	if err != nil {
		return err
	}
	if one.State != "done" {
		return fault.New(fault.Conflict, "The backup is not done.")
	}
	s.source.Did(rest.Caller(c), "backup.downloaded", one.Name, c.RealIP())
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "application/zstd")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", `attachment; filename="`+one.Name+`"`) // of the form of namePattern
	h.Set("Content-Length", strconv.FormatInt(one.Bytes, 10))
	return s.backups.send(one.Name, c.Response())
}

// postRestore answers at once, and with wait=true when the server is about to start again or nothing was changed.
func (s *Service) postRestore(c echo.Context) error {
	if _, err := rest.Body(c); err != nil {
		return err
	}
	one, err := s.backups.restore(c.Param("name"))
	if err != nil {
		return err
	}
	s.source.Did(rest.Caller(c), "backup.restored", one.Name, c.RealIP())
	if wait, _ := rest.Bool(c.QueryParam("wait")); wait {
		if one, err = s.backups.await(c.Request().Context(), one.Name); err != nil {
			return err
		}
	}
	return rest.One(c, "backup", one)
}

func (s *Service) deleteBackup(c echo.Context) error {
	if _, err := rest.Body(c); err != nil {
		return err
	}
	one, err := s.backups.remove(c.Param("name"))
	if err != nil {
		return err
	}
	s.source.Did(rest.Caller(c), "backup.deleted", one.Name, c.RealIP())
	return rest.One(c, "backup", one)
}

// scheduleView is Schedule and what follows from it.
type scheduleView struct {
	Schedule
	Next      *string `json:"next"` // null: never
	Folder    string  `json:"folder"`
	Restoring string  `json:"restoreCommand"`
}

func (s *Service) getSchedule(c echo.Context) error {
	v := scheduleView{Schedule: s.backups.schedule(), Folder: absolute(s.cfg.Dir)}
	if next, ok := s.backups.due(); ok {
		text := rest.Time(next)
		v.Next = &text
	}
	v.Restoring = "xively restore " + filepath.Join(v.Folder, "NAME") + " --data NEW-FOLDER"
	return rest.One(c, "schedule", v)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func (s *Service) putSchedule(c echo.Context) error {
	v := s.backups.schedule()
	if err := rest.Bind(c, &v); err != nil {
		return err
	}
	if err := s.backups.setSchedule(v); err != nil {
		return err
	}
	s.source.Did(rest.Caller(c), "backup.scheduled", fmt.Sprintf("every %d hours, keep %d", v.EveryHours, v.Keep), c.RealIP())
	return s.getSchedule(c)
}

func (s *Service) getCertificate(c echo.Context) error {
	return rest.One(c, "certificate", s.source.Certificate())
}

func (s *Service) getMail(c echo.Context) error { return rest.One(c, "mail", s.source.Mail()) }

type mailTest struct {
	To      string  `json:"to"`
	Sent    bool    `json:"sent"`
	Error   string  `json:"error"` // what the mail server said
	Seconds float64 `json:"seconds"`
}

func (s *Service) postTestMail(c echo.Context) error {
	in := mailTest{}
	if err := rest.Bind(c, &in); err != nil {
		return err
	}
	if a, err := mail.ParseAddress(in.To); err != nil || a.Address != in.To {
		return fault.Field("to", "This must be an e-mail address.")
	}
	began := s.now()
	err := s.source.SendTestMail(c.Request().Context(), in.To)
	out := mailTest{To: in.To, Sent: err == nil, Seconds: round(time.Since(began).Seconds())}
	if err != nil {
		out.Error = err.Error()
	}
	return rest.One(c, "mailTest", out)
}
