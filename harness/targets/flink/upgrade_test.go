package flink

import (
	"context"
	"testing"

	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/internal/process"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// armed arms a fault on a tap. It fires at each new _metadata.
func armed(t *testing.T, taps *tap.Tap) faults.Fault {
	t.Helper()
	fault, err := faults.Parse(`(Fail EIO (On (Create "*/_metadata")))`)
	if err != nil {
		t.Fatal(err)
	}
	never := func(faults.Event) int { return 0 }
	if err := taps.Arm(fault, never, func(tap.Operation) bool { return false }); err != nil {
		t.Fatal(err)
	}
	return fault
}

// A fault that is armed before an upgrade is armed after the upgrade, too. Without an upgrade, the
// end of a cluster disarms it.
func TestAnArmedFaultSurvivesAnUpgrade(t *testing.T) {
	spec := target.Spec{Dir: t.TempDir()}
	for upgraded, want := range map[bool]bool{true: true, false: false} {
		before := &minicluster{client: client{starter: process.NewStarter(), dir: spec.Dir}, upgraded: upgraded}
		before.taps, before.sets = newTap()
		armed(t, before.taps)
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
		after := &minicluster{spec: spec}
		after.taps, after.sets = newTap()
		if err := after.open(Minicluster{survived: before}, spec.Dir); err != nil {
			t.Fatal(err)
		}
		if got := after.taps.Awaits(faults.Create); got != want {
			t.Errorf("upgraded %v: want the fault armed: %v, got %v", upgraded, want, got)
		}
	}
}

// The processes of the next release write to the mount of the processes before, through the same tap.
func TestTheProcessesOfTheNextReleaseUseTheSameMount(t *testing.T) {
	before := &cluster{client: client{root: "root"}, handedOver: true, work: "work"}
	before.taps, before.sets = newTap()
	armed(t, before.taps)
	after := &cluster{spec: target.Spec{Needs: []scenarios.Feature{scenarios.Tap}}}
	after.target.survived = before
	if err := after.openStorage(); err != nil {
		t.Fatal(err)
	}
	if !after.taps.Awaits(faults.Create) || after.root != "root" || after.work != "work" {
		t.Errorf("got %+v", after)
	}
}

// Each release that a pool upgrades to has one pool.
func TestAPoolHasOnePoolForEachRelease(t *testing.T) {
	pool, err := NewPool(Minicluster{Target: Target{version: "1.20.5"}}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	next := pool.of(Target{version: "2.3.0"})
	if next != pool.of(Target{version: "2.3.0"}) || next == pool.of(Target{version: "2.2.0"}) || next.version != "2.3.0" {
		t.Error("want the same pool for the same release only")
	}
}

func TestAReleaseThatDoesNotExistIsBadInputBeforeTheClusterEnds(t *testing.T) {
	c := local{brokered{&cluster{}}}
	if _, err := c.Upgraded(context.Background(), "1.8"); err == nil || c.handedOver {
		t.Errorf("want the release refused, and the storage kept by its cluster, got %v", err)
	}
}
