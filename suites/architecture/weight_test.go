package architecture_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/suites/architecture"
)

// linked returns all packages that a package links, directly or through others.
func linked(t *testing.T, of string) []string {
	t.Helper()
	output, err := exec.Command("go", "list", "-deps", of).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", of, err)
	}
	return strings.Fields(string(output))
}

func TestTheProgramAndTheHarnessStayLight(t *testing.T) {
	for of, banned := range architecture.Weights {
		all := linked(t, of)
		if !slices.Contains(all, of) || len(all) < 50 {
			t.Fatalf("%s: only %d packages were found", of, len(all))
		}
		for _, refused := range architecture.TooHeavy(of, all, banned) {
			t.Error(refused)
		}
	}
}

// The check finds the banned libraries in the full program, which may link them.
func TestWhatIsTooHeavyIsSeen(t *testing.T) {
	full := architecture.Module + "/cmd/snapback-full"
	banned := architecture.Weights[architecture.Module+"/cmd/snapback"]
	refused := architecture.TooHeavy(full, linked(t, full), banned)
	for _, library := range []string{"google.golang.org/grpc", "go.etcd.io/", "github.com/testcontainers/", "github.com/moby/"} {
		if !slices.ContainsFunc(refused, func(text string) bool { return strings.HasPrefix(text, full+" links "+library) }) {
			t.Errorf("%s is not found; got:\n%s", library, strings.Join(refused, "\n"))
		}
	}
	if refused := architecture.TooHeavy("p", []string{"go.etcd.iot/x", "google.golang.org/grpcx"}, banned); refused != nil {
		t.Errorf("libraries that only begin with the same letters: got %v", refused)
	}
}
