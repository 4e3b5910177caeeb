package tap_test

import (
	"strings"
	"testing"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
)

func TestAViewExcludesWhatCannotFire(t *testing.T) {
	view := tap.View{
		Kinds:     []faults.Kind{faults.Write, faults.Rename, faults.Read},
		Phases:    []faults.Phase{faults.Metadata, faults.Publish},
		Directory: func(name string) bool { return strings.HasPrefix(name, "chk-") || name == "shared" },
	}
	for text, want := range map[string]string{
		`(Kill taskmanager)`:                               "",
		`(Kill taskmanager (During checkpoint))`:           "",
		`(Kill taskmanager (Before (Any)))`:                "",
		`(Kill taskmanager (Before (Change "*/chk-3/*")))`: "",
		`(Fail EIO (On (Rename "*/_metadata")))`:           "",
		`(Fail EIO (On (Write "*/shared/*")))`:             "",
		`(Fail EIO (On (Write "*/chk-*/x*")))`:             "",
		`(Fail EIO (On (Write "/committed/shared/x")))`:    "",
		`(Fail EIO (On (Write (Phase publish))))`:          "",
		`(Fail EIO (On (Rename "*/committed/*")))`:         `operations in a directory "committed" do not pass here`,
		`(Throttle 5 (On (Put "*/chk-*")))`:                "there are no operations of the kind Put, but [Write Rename Read]",
		`(Stale (On (List "*")))`:                          "there are no operations of the kind List",
		`(Fail EIO (On (Write (Phase state))))`:            "no operation belongs to the phase state",
	} {
		fault, err := faults.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := view.Excludes(fault); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: want %q, got %q", text, want, got)
		}
	}
}
