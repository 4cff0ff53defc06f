package identity

import (
	"strings"
	"testing"
	"unicode/utf8"

	"xively/internal/fault"
)

// mixed returns a password of n characters that only its length can speak against.
func mixed(n int) string {
	const some = "aB3-xY7_qW9+"
	return strings.Repeat(some, n/len(some)+1)[:n]
}

func TestI14ValidatePassword(t *testing.T) {
	for _, row := range []struct {
		name, password string
		ok             bool
	}{
		{"7 characters", mixed(7), false},
		{"8 characters", mixed(8), true},
		{"64 characters", mixed(64), true},
		{"72 characters", mixed(72), true},
		{"73 characters", mixed(73), true},
		{"128 characters", mixed(128), true},
		{"129 characters", mixed(129), false},
		{"200 characters", mixed(200), false},
		{"a million", mixed(1_000_000), false},
		{"128 characters of four bytes", strings.Repeat("🐎🔋🏭🌍", 32), true},
		{"7 characters of four bytes", "🐎🔋🏭🌍🐎🔋🏭", false},
		{"spaces", "four words of mine", true},
		{"NUL inside", "aB3-\x00Y7_qW9", true},
		{"not UTF-8", "aB3-xY7_\xff", false},
		{"three in a row", "aB3-xxx7_qW9", false},
		{"three in a row, 20 characters", "aB3-xxx7_qW9aB3-xY7_", true},
		{"local part", "xx-ANN-7_qW9", false},
		{"16 small letters", "jmvorqketuxwpnzc", true},
		{"15 small letters", "jmvorqketuxwpnz", false},
		{"classes at the ends do not count", "Jmvorqket7", false},
		{"8 of two classes inside", "jmvoR7ke", true},
		{"common", "Password1!", false},
		{"common with signs for letters", "P@$$w0rd2024", false},
		{"common with figures in front", "123Welcome!123", false},
		{"first product name tried", "Xively-2024!!", false},
		{"keyboard", "qwertyuiopasdfgh", false},
		{"figures", "1234567890123456", false},
		{"runs", "1234qwer4321fdsa", false},
		{"repeated run", "abcdabcdabcdabcd", false},
	} {
		err := validatePassword(row.password, "ann@example.com")
		if (err == nil) != row.ok {
			t.Errorf("%s (%.40q): %v", row.name, row.password, err)
		}
		if err != nil && fault.KindOf(err) != fault.Unprocessable {
			t.Errorf("%s: kind %d", row.name, fault.KindOf(err))
		}
	}
}

func TestShortLocalPartMayOccur(t *testing.T) {
	if err := validatePassword(mixed(12), "a@example.com"); err != nil {
		t.Error(err)
	}
}

// FuzzValidatePassword: no text may panic, and what passes is within the limits.
func FuzzValidatePassword(f *testing.F) {
	f.Add("correct Horse 7 staple", "ann@example.com")
	f.Add("\xff\xfe", "@")
	f.Add("ßßßßßßßß", "ß")
	f.Add("1234567890", "")
	f.Fuzz(func(t *testing.T, password, email string) {
		if validatePassword(password, email) != nil {
			return
		}
		if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword || !utf8.ValidString(password) {
			t.Errorf("%q passes", password)
		}
	})
}
