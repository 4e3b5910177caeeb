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

// ofProxy lists the kinds of operations that the proxy before an S3 server sees. Create is a part of
// an upload, and Open is its beginning.
var ofProxy = []faults.Kind{faults.Create, faults.Open, faults.Put, faults.Get, faults.Delete, faults.Stat, faults.List}

// View implements [target.Viewer]. Checkpoints and the output of jobs are on one mount, or
// checkpoints are behind the proxy.
func (t Target) View() tap.View {
	if t.Objects != nil {
		return t.Objects.view()
	}
	return tap.View{Kinds: ofMount}
}

// View implements [target.Viewer]. Only the operations on checkpoints pass through the tap: a
// workload's output lies beside the mount.
func (m Minicluster) View() tap.View {
	if m.Objects != nil {
		return m.Objects.view()
	}
	return tap.View{Kinds: ofMount, Directory: layout.Flink{}.Directory(mountName)}
}

func (o Objects) view() tap.View {
	if o.Direct {
		return tap.View{}
	}
	return tap.View{Kinds: ofProxy}
}
