package metadata

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// textMax is the largest number of bytes that Java's writeUTF writes.
const textMax = 1<<16 - 1

// decodeText reads Java's modified UTF-8. In it, NUL has two bytes, and a character beyond the
// basic plane is a pair of surrogates with three bytes each. Java permits a surrogate without its
// partner. decodeText copies the three bytes of such a surrogate unchanged.
func decodeText(encoded []byte) (string, error) {
	if plain(encoded) {
		return string(encoded), nil
	}
	var text strings.Builder
	for i := 0; i < len(encoded); {
		unit, size := decodeUnit(encoded[i:])
		if size == 0 {
			return "", fmt.Errorf("byte 0x%02x at %d", encoded[i], i)
		}
		i += size
		if utf16.IsSurrogate(rune(unit)) {
			if low, lowSize := decodeUnit(encoded[i:]); lowSize == 3 {
				if pair := utf16.DecodeRune(rune(unit), rune(low)); pair != utf8.RuneError {
					text.WriteRune(pair)
					i += lowSize
					continue
				}
			}
			text.Write(encoded[i-size : i])
			continue
		}
		text.WriteRune(rune(unit))
	}
	return text.String(), nil
}

// plain says whether the text is ASCII without NUL. Such a text has the same bytes in UTF-8 and in
// Java's modified UTF-8.
func plain(encoded []byte) bool {
	for _, b := range encoded {
		if b == 0 || b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decodeUnit reads one UTF-16 code unit. It accepts only the bytes that Java writes for this unit.
// The result "size" is 0 if the bytes do not begin with a valid code unit.
func decodeUnit(encoded []byte) (unit uint16, size int) {
	continued := func(i int) bool { return i < len(encoded) && encoded[i]&0xc0 == 0x80 }
	switch {
	case len(encoded) == 0:
		return 0, 0
	case encoded[0] > 0 && encoded[0] < 0x80:
		return uint16(encoded[0]), 1
	case encoded[0]&0xe0 == 0xc0 && continued(1):
		unit = uint16(encoded[0]&0x1f)<<6 | uint16(encoded[1]&0x3f)
		if unit == 0 || unit >= 0x80 {
			return unit, 2
		}
	case encoded[0]&0xf0 == 0xe0 && continued(1) && continued(2):
		unit = uint16(encoded[0]&0xf)<<12 | uint16(encoded[1]&0x3f)<<6 | uint16(encoded[2]&0x3f)
		if unit >= 0x800 {
			return unit, 3
		}
	}
	return 0, 0
}

// encodeText is the inverse of [decodeText].
func encodeText(text string) []byte {
	var encoded []byte
	unit := func(u uint16) {
		switch {
		case u > 0 && u < 0x80:
			encoded = append(encoded, byte(u))
		case u < 0x800:
			encoded = append(encoded, 0xc0|byte(u>>6), 0x80|byte(u&0x3f))
		default:
			encoded = append(encoded, 0xe0|byte(u>>12), 0x80|byte(u>>6&0x3f), 0x80|byte(u&0x3f))
		}
	}
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			encoded = append(encoded, text[i]) // this is a byte of a surrogate without its partner
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			unit(uint16(high))
			unit(uint16(low))
		default:
			unit(uint16(r))
		}
	}
	return encoded
}
