// Package flink makes real Apache Flink a target. It runs the JobManager and the TaskManagers of
// a Flink distribution as processes. It controls them as users do: by the REST API, the command
// line and the file system. It watches them by their logs, because the figures of the REST API
// are seconds old.
//
// The package changes nothing in Flink, and needs only the access that every user has.
//
// Start with [Provision].
package flink

import (
	"context"
	"embed"
	"text/template"

	"github.com/snapback/snapback/harness/history"
	"github.com/snapback/snapback/harness/target"
	"github.com/snapback/snapback/scenarios"
)

// Name is the target's name.
const Name = "flink"

// DefaultVersion is the release of Flink that is tested if the user names none.
const DefaultVersion = "2.3.0"

//go:embed files/config.yaml
var configText string

//go:embed files/log4j.properties
var log4j []byte

// sources are the Java files of two programs: the workloads, and the host that runs a cluster in one
// JVM. What depends on Flink's API is in a directory for each range of releases; see [Target.api].
//
//go:embed java
var sources embed.FS

var configTemplate = template.Must(template.New("config.yaml").Parse(configText))

// Target is an installed Apache Flink.
type Target struct {
	version string
	next    string       // the version to which scenarios upgrade; empty: the user named none
	lib     string       // path of the distribution's jars
	jar     string       // path of the workloads' jar
	place   Place        // where the processes run; nil: this machine
	say     func(string) // receives messages for people about what is installed

	survived *cluster // the cluster before an upgrade, whose storage is used again; nil: there was none

	Objects *Objects // the S3 server for checkpoints; nil: checkpoints are elsewhere
	Hadoop  *Hadoop  // the HDFS for checkpoints; nil: checkpoints are elsewhere
}

// At returns a copy of the target, whose processes run at another place.
func (t Target) At(place Place) Target {
	t.place = place
	return t
}

func (t Target) where() Place {
	if t.place == nil {
		return here{}
	}
	return t.place
}

// Describe implements [target.Target].
func (t Target) Describe() history.Target {
	runtime, image := t.where().Describe()
	return history.Target{Name: Name, Runtime: runtime, Version: t.version, Next: t.next, Image: image, Storage: t.describeStorage()}
}

// Claims implements [target.Target].
func (t Target) Claims() []scenarios.Feature {
	if t.where().Isolates() {
		return claims() // the ZooKeeper of the harness is outside of the containers' network
	}
	return append(claims(), scenarios.HA, scenarios.FileSink)
}

// claims lists what Flink can do with jobs wherever it runs.
func claims() []scenarios.Feature {
	return []scenarios.Feature{
		scenarios.Restart, scenarios.Resume, scenarios.Retention, scenarios.Claim, scenarios.Rescale, scenarios.Modes,
		scenarios.Workloads,
	}
}

// Honours implements [target.Target].
func (t Target) Honours(f target.Field) bool {
	switch f.Name {
	case target.StepCheckpoint:
		return t.since(1, 17) // in 1.16 no user can ask for a checkpoint
	case target.JobBackend:
		return t.hasBackend(f.Value)
	case target.ClusterSettings, target.JobSettings:
		return t.honours(f)
	}
	return true
}

// Cluster implements [target.Target].
func (t Target) Cluster() target.Cluster { return t.equip(nil) }

// Start implements [target.Target].
func (t Target) Start(ctx context.Context, spec target.Spec) (target.Cluster, error) {
	c, err := start(ctx, t, spec)
	if err != nil {
		return nil, err
	}
	return t.equip(c), nil
}
