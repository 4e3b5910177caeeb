package target_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// fake is a target with the given claims and the given type of cluster.
type fake struct {
	claims  []scenarios.Feature
	cluster target.Cluster
	next    string
}

func (f fake) Describe() history.Target {
	return history.Target{Name: "fake", Runtime: "none", Next: f.next}
}

func (fake) Honours(target.Field) bool                                  { return false }
func (f fake) Claims() []scenarios.Feature                              { return slices.Clone(f.claims) }
func (f fake) Cluster() target.Cluster                                  { return f.cluster }
func (fake) Start(context.Context, target.Spec) (target.Cluster, error) { return nil, nil }

// plain is a cluster without capabilities.
type plain struct{ target.Cluster }

// killable is a cluster whose TaskManagers can be killed.
type killable struct {
	plain
	target.Killer
}

func TestFeaturesFollowFromTheInterfacesOfClusters(t *testing.T) {
	for _, c := range []struct {
		cluster target.Cluster
		want    []scenarios.Feature
	}{
		{plain{}, []scenarios.Feature{scenarios.Restart}},
		{killable{}, []scenarios.Feature{scenarios.Restart, scenarios.Kill}},
		{(*killable)(nil), []scenarios.Feature{scenarios.Restart, scenarios.Kill}},
	} {
		got := target.Features(fake{claims: []scenarios.Feature{scenarios.Restart}, cluster: c.cluster})
		if !slices.Equal(got, c.want) {
			t.Errorf("%T: want %v, got %v", c.cluster, c.want, got)
		}
	}
}

// Not every engine that takes savepoints can suspend a job. So each of the two has a feature.
func TestASavepointNeedsNoSuspension(t *testing.T) {
	type savepointer struct {
		plain
		target.Savepointer
	}
	if got := target.Features(fake{cluster: savepointer{}}); !slices.Equal(got, []scenarios.Feature{scenarios.Savepoint}) {
		t.Errorf("got %v", got)
	}
}

func TestATargetThatClaimsWhatItsClustersMustShowIsRefused(t *testing.T) {
	for want, bad := range map[string]fake{
		"claims the feature kill": {claims: []scenarios.Feature{scenarios.Kill}, cluster: killable{}},
		"Cluster returned nil":    {},
	} {
		if err := target.Check(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want …%s…, got %v", want, err)
		}
	}
}

func ExampleUnclaimed() {
	s := scenarios.Scenario{Features: []scenarios.Feature{scenarios.Kill, scenarios.Restart}}
	fmt.Println(target.Unclaimed(fake{cluster: killable{}}, s))
	// Output: [restart]
}
