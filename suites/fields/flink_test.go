package fields_test

import (
	"testing"

	"github.com/snapback/snapback/harness/targets/flink"
	"github.com/snapback/snapback/suites/fields"
	"github.com/snapback/snapback/suites/servers"
)

func TestTheFieldsOnFlinkInOneJVM(t *testing.T) {
	installed, err := servers.Flink(t.Context(), flink.DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := flink.NewPool(flink.Minicluster{Target: installed}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	check(t, &fields.Bench{Target: pool, Dir: t.TempDir()}, 2)
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}
