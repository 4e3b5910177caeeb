package metadata_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/metadata"
	"github.com/snapback/snapback/storage/metadata/specimen"
)

const refusals = "../testdata/flink-metadata-public/refusals"

// If a file is not damaged, the error begins with the reason, which says what the file is. It ends
// with the bytes that show the reason.
func TestARefusalSaysWhatTheFileIs(t *testing.T) {
	for name, want := range map[string]struct {
		reason error
		bytes  string
	}{
		"cep-no-metadata":          {metadata.ErrNotMetadata, "magic number at offset 0: want 0x4960672d, got 0x00000003"},
		"flink1.1-v0":              {metadata.ErrTooOld, "version at offset 4: want 2 to 6, got 0"},
		"flink1.2-v1":              {metadata.ErrTooOld, "version at offset 4: want 2 to 6, got 1"},
		"flink1.3-v2-legacy-state": {metadata.ErrLegacyState, "subtask 1 of 4: legacy state at offset 204: want 0x00000000, got 0x00000001"},
	} {
		data, err := os.ReadFile(filepath.Join(refusals, name))
		must(t, err)
		_, err = metadata.Decode(data)
		var wrong *metadata.Error
		if !errors.As(err, &wrong) || !errors.Is(err, want.reason) {
			t.Errorf("%s: want %v, got %v", name, want.reason, err)
			continue
		}
		if text := wrong.Error(); !strings.HasPrefix(text, want.reason.Error()+": ") || !strings.HasSuffix(text, want.bytes) {
			t.Errorf("%s: want the reason and then %s, got %s", name, want.bytes, text)
		}
	}
}

// reasonOf encodes a checkpoint, replaces bytes at the offset, and decodes the result. Decode must
// refuse the result; reasonOf returns the reason of that error.
func reasonOf(t *testing.T, version int32, offset int, bytes ...byte) error {
	t.Helper()
	data, err := metadata.Encode(specimen.Everything(version))
	must(t, err)
	copy(data[offset:], bytes)
	_, err = metadata.Decode(data)
	var wrong *metadata.Error
	if !errors.As(err, &wrong) {
		t.Fatalf("version %d with %x at %d: want an error, got %v", version, bytes, offset, err)
	}
	return wrong.Reason
}

func TestDamageHasNoReason(t *testing.T) {
	const versionAt = 4
	for _, c := range []struct {
		bytes  []byte
		offset int
		want   error
	}{
		{[]byte{0x48}, 0, nil}, // one flipped bit
		{[]byte{0x4e}, 0, nil}, // three flipped bits
		{[]byte{0x46}, 0, nil}, // four flipped bits, but a known version follows
		{[]byte{0xff, 0xff, 0xff, 0xff}, 0, nil},
		{[]byte{0x46, 0x60, 0x67, 0x2d, 0x50, 0x4b, 3, 4}, 0, metadata.ErrNotMetadata}, // four flipped bits, and no known version follows
		{[]byte{0, 0, 0, 7}, versionAt, metadata.ErrTooNew},
		{[]byte{0x80, 0, 0, 6}, versionAt, nil},
		{[]byte{0, 0, 0, 0}, versionAt, metadata.ErrTooOld},
	} {
		if got := reasonOf(t, metadata.Version, c.offset, c.bytes...); !errors.Is(got, c.want) {
			t.Errorf("%x at offset %d: want %v, got %v", c.bytes, c.offset, c.want, got)
		}
	}
	for _, short := range []string{"", "PK\x03"} {
		_, err := metadata.Decode([]byte(short))
		var wrong *metadata.Error
		if !errors.As(err, &wrong) || wrong.Reason != nil || !strings.Contains(err.Error(), "want 4 bytes, got the end of the file after") {
			t.Errorf("%q: want the end of the file, got %v", short, err)
		}
	}
}

// A reason says why a file is refused. If Encode fails, the caller made a mistake, so the error has
// no reason.
func TestWhatCannotBeWrittenHasNoReason(t *testing.T) {
	_, err := metadata.Encode(metadata.Checkpoint{Version: metadata.Version + 1})
	var wrong *metadata.Error
	if !errors.As(err, &wrong) || wrong.Reason != nil {
		t.Errorf("want an error without a reason, got %v", err)
	}
}
