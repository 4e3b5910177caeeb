package doctor_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/snapback/snapback/cmd/internal/doctor"
	"github.com/snapback/snapback/harness/targets/flink"
)

func TestWhatIsMissingComesWithARemedy(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	t.Setenv("FLINK_HOME", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	missing := map[string]bool{}
	for _, c := range doctor.Examine(context.Background()) {
		missing[c.Name] = !c.OK
		if c.Found == "" || (!c.OK && (c.Remedy == "" || c.For == "")) {
			t.Errorf("%+v does not say what was found, or how to get it", c)
		}
	}
	for _, name := range []string{"java", "javac", "python3 venv", "docker", "maven", "umount", "kafka 4.4.0", "flink " + flink.DefaultVersion} {
		if !missing[name] {
			t.Errorf("%s was found on an empty path", name)
		}
	}
	if missing["file system here"] {
		t.Error("a temporary directory was not accepted")
	}
}

func Example() {
	fmt.Println(doctor.Examine(context.Background())[0].Name)
	// Output: machine
}
