package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"xively/internal/fault"
)

// Length of a password in characters, and the length from which repeated characters are fine.
const (
	minPassword  = 8
	maxPassword  = 128
	longPassword = 20
)

func tooLong(password string) bool {
	return len(password) > maxPassword*utf8.UTFMax || utf8.RuneCountInString(password) > maxPassword
}

// validatePassword holds a new password against the rules. Any character is allowed and counts; nothing is cut off.
func validatePassword(password, email string) error {
	refuse := func(message string) error {
		return &fault.Error{Kind: fault.Unprocessable, Field: "password", Message: message}
	}
	if tooLong(password) {
		return refuse("The password is too long: at most 128 characters.")
	}
	if !utf8.ValidString(password) {
		return refuse("The password is not valid UTF-8.")
	}
	chars := []rune(password)
	switch {
	case len(chars) < minPassword:
		return refuse("The password is too short: at least 8 characters.")
	case len(chars) < longPassword && threeInARow(chars):
		return refuse("The password has a character three times in a row; below 20 characters that is not allowed.")
	case containsLocalPart(password, email):
		return refuse("The password contains the e-mail address.")
	case isCommon(password):
		return refuse("The password is one of those everybody tries first. Take another.")
	case len(chars)*classes(chars) < 16:
		return refuse("The password is too simple. Make it longer, or mix small and capital letters, digits and signs inside it.")
	}
	return nil
}

func threeInARow(chars []rune) bool {
	for i := 2; i < len(chars); i++ {
		if chars[i] == chars[i-1] && chars[i] == chars[i-2] {
			return true
		}
	}
	return false
}

// containsLocalPart ignores local parts of one or two characters: those are in most passwords by chance.
func containsLocalPart(password, email string) bool {
	local, _, _ := strings.Cut(foldEmail(email), "@")
	return utf8.RuneCountInString(local) > 2 && strings.Contains(strings.ToLower(password), local)
}

// classes counts small letters, capitals, digits and all else. The first and the last character do not count: that is
// where people put the one capital and the one digit they are asked for.
func classes(chars []rune) int {
	var lower, upper, digit, other int
	for _, r := range chars[1 : len(chars)-1] {
		switch {
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsDigit(r):
			digit = 1
		default:
			other = 1
		}
	}
	return lower + upper + digit + other
}

// commonWords are the cores of the passwords tried first. What people add to them, figures and signs around and for
// letters, is taken off before comparing, so each word stands for some hundreds of entries in the usual lists.
var commonWords = wordSet(`abc abcd abcabc access account admin administrator adminadmin alexander amanda andrea angel
	arsenal ashley asshole badboy bailey barcelona baseball basketball batman beautiful biteme blink butterfly changeme
	changeit charlie cheese chelsea chocolate computer cookie daniel default demo device diamond dragon eminem estrella
	family flower football forever freedom friends fuckyou gateway google guest hannah hello hellohello helloworld hockey
	hunter iloveu iloveyou internet iot jennifer jessica jesus jordan joshua justin killer letmein liverpool login
	loveme lovely love manager master matrix matthew merlin michael michelle monkey mustang mypass mypassword nicole
	ninja nothing operator pass passpass passwd password passwordpassword passphrase passwort pepper phoenix pokemon
	princess private public purple qwert qwerty qwertyqwerty qwertyuiop ranger robert root rootroot samsung secret
	sensor server shadow simple snoopy soccer spiderman starwars summer sunshine superman superuser support sysadmin
	system temp temporary test tester testing testtest thomas thunder tigger trustno trustnoone user username vagrant
	welcome welcometo whatever winter spring autumn xively zxcvbn zxcvbnm`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

var signsForLetters = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// rows are what fingers run along.
var rows = []string{"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiopasdfghjklzxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p"}

func isCommon(password string) bool {
	p := strings.ToLower(password)
	core := strings.TrimFunc(p, func(r rune) bool { return !unicode.IsLetter(r) })
	// "p@$$w0rd1" has signs inside, "4dmin" in front: look with and without taking the ends off first.
	for _, form := range []string{core, signsForLetters.Replace(core), signsForLetters.Replace(p)} {
		if commonWords[form] {
			return true
		}
	}
	return onlyRuns(p)
}

// onlyRuns reports whether p is nothing but pieces of rows, of four characters or more, forwards or backwards:
// "1234qwerasdf", "abcd4321".
func onlyRuns(p string) bool {
	for len(p) > 0 {
		n := longestRun(p)
		if n < 4 {
			return false
		}
		p = p[n:]
	}
	return true
}

func longestRun(p string) int {
	best := 0
	for _, row := range rows {
		for i := range len(row) {
			forward, backward := 0, 0
			for forward < len(p) && i+forward < len(row) && p[forward] == row[i+forward] {
				forward++
			}
			for backward < len(p) && i-backward >= 0 && p[backward] == row[i-backward] {
				backward++
			}
			best = max(best, forward, backward)
		}
	}
	return best
}
