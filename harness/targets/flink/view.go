package flink

import (
	"github.com/snapback/snapback/faults"
	"github.com/snapback/snapback/faults/tap"
	"github.com/snapback/snapback/harness/targets/internal/layout"
)

// mountName is the name of the directory on which checkpoints are mounted.
const mountName = "checkpoints"

// ofMount lists the kinds of operations that a mount sees.
var ofMount = []faults.Kind{
	faults.Create, faults.Open, faults.Read, faults.Write, faults.Sync, faults.Close, faults.Rename,
	faults.Remove, faults.Mkdir, faults.SyncDir, faults.List,
}

// View implements [target.Viewer]. Checkpoints and the output of jobs are on one mount.
func (Target) View() tap.View { return tap.View{Kinds: ofMount} }

// View implements [target.Viewer]. Only the operations on checkpoints pass through the tap: a
// workload's output lies beside the mount.
func (m Minicluster) View() tap.View {
	switch {
	case m.Objects == nil:
		return tap.View{Kinds: ofMount, Directory: layout.Flink{}.Directory(mountName)}
	case m.Objects.Direct:
		return tap.View{}
	}
	// Create is a part of an upload, and Open is its beginning.
	return tap.View{Kinds: []faults.Kind{faults.Create, faults.Open, faults.Put, faults.Get, faults.Delete, faults.Stat, faults.List}}
}
