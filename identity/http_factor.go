package identity

import (
	"github.com/labstack/echo/v4"

	"xively/internal/rest"
)

// deleteUserSecondFactor lets an admin help somebody who lost phone and recovery codes.
func (s *Service) deleteUserSecondFactor(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	if err := s.removeSecondFactor(who.session.AccountID, c.Param("userId")); err != nil {
		return err
	}
	s.record(c, who, "secondFactor.removedByAdmin", "user", c.Param("userId"))
	return answerSuccess(c)
}

func (s *Service) getSecondFactor(c echo.Context) error {
	who, err := s.user(c)
	if err != nil {
		return err
	}
	u, err := s.User(who.session.AccountID, who.session.UserID)
	if err != nil {
		return err
	}
	shown := map[string]any{"enabled": false, "recoveryCodesLeft": 0}
	if f := u.SecondFactor; f != nil && f.Active {
		shown["enabled"], shown["recoveryCodesLeft"] = true, len(f.Recovery)
	}
	return rest.One(c, "secondFactor", shown)
}

func (s *Service) postSecondFactor(c echo.Context) error {
	who, err := s.confirmed(c)
	if err != nil {
		return err
	}
	secret, uri, err := s.beginSecondFactor(who.session.AccountID, who.session.UserID)
	if err != nil {
		return err
	}
	return rest.One(c, "secondFactor", map[string]any{"enabled": false, "secret": secret, "uri": uri})
}

func (s *Service) postSecondFactorConfirm(c echo.Context) error {
	who, err := s.confirmed(c)
	if err != nil {
		return err
	}
	var r loginRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("oneTimeCode", r.OneTimeCode); err != nil {
		return err
	}
	codes, err := s.finishSecondFactor(who.session.AccountID, who.session.UserID, r.OneTimeCode)
	if err != nil {
		return err
	}
	return rest.One(c, "secondFactor", map[string]any{"enabled": true, "recoveryCodes": codes})
}

func (s *Service) postRecoveryCodes(c echo.Context) error {
	who, err := s.confirmed(c)
	if err != nil {
		return err
	}
	codes, err := s.renewRecovery(who.session.AccountID, who.session.UserID)
	if err != nil {
		return err
	}
	return rest.One(c, "secondFactor", map[string]any{"enabled": true, "recoveryCodes": codes})
}

func (s *Service) deleteSecondFactor(c echo.Context) error {
	who, err := s.confirmed(c)
	if err != nil {
		return err
	}
	if err := s.removeSecondFactor(who.session.AccountID, who.session.UserID); err != nil {
		return err
	}
	return rest.One(c, "secondFactor", map[string]any{"enabled": false})
}
