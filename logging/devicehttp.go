package logging

import (
	"context"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

var errNoDevice = fault.New(fault.NotFound, "There is no such device.")

// deviceOf returns the account and device of a request. A device of another account is as unknown as one that is none.
func (s *Service) deviceOf(c echo.Context) (account, device string, err error) {
	if account, err = accountOfCaller(c); err != nil {
		return "", "", err
	}
	device = c.Param("id")
	if !slices.Contains(s.directory.Devices(account, device), device) {
		return "", "", errNoDevice
	}
	return account, device, nil
}

// getDiagnosis also answers about a device that is deleted, as long as the log remembers it: that may be just what is wrong with it.
func (s *Service) getDiagnosis(c echo.Context) error {
	account, err := accountOfCaller(c)
	if err != nil {
		return err
	}
	device := c.Param("id")
	var unknown error
	if !slices.Contains(s.directory.Devices(account, device), device) {
		unknown = errNoDevice
	}
	now := time.Now()
	from := now.Add(-diagnosisSpan)
	if err := timeParam(c, "from", now, &from); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), searchTimeout)
	defer cancel()
	d, err := s.Diagnose(ctx, account, device, from)
	if err != nil {
		return err
	}
	if unknown != nil && len(d.Timeline) == 0 {
		return unknown
	}
	return rest.One(c, "diagnosis", d)
}

func (s *Service) getRecorder(c echo.Context) error {
	account, device, err := s.deviceOf(c)
	if err != nil {
		return err
	}
	return rest.One(c, "recorder", s.Recorded(account, device))
}

func (s *Service) postRecorder(c echo.Context) error {
	account, device, err := s.deviceOf(c)
	if err != nil {
		return err
	}
	request := struct {
		Minutes int `json:"minutes"`
	}{15}
	if err := rest.Bind(c, &request); err != nil {
		return err
	}
	if request.Minutes < 1 || request.Minutes > int(recorderMost/time.Minute) {
		return fault.Field("minutes", "This must be from 1 to %d.", int(recorderMost/time.Minute))
	}
	if err := s.Record(account, device, time.Duration(request.Minutes)*time.Minute); err != nil {
		return err
	}
	return rest.One(c, "recorder", s.Recorded(account, device))
}

func (s *Service) deleteRecorder(c echo.Context) error {
	account, device, err := s.deviceOf(c)
	if err != nil {
		return err
	}
	s.recorder.forget(account, device)
	return rest.One(c, "recorder", s.Recorded(account, device))
}
