package scenarios

import "slices"

// Backend is a word for the field backend of a job, and what it means on each engine.
type Backend struct {
	Name      string
	Flink     string // what it means on Flink, in words
	Reference string // the reference's own word; empty: the reference does not have this backend
}

// Backends lists the words for the field backend of a job. The first is the default.
var Backends = []Backend{
	{"full", "hashmap: state is in memory; each checkpoint holds all state", "full"},
	{"incremental", "rocksdb, with incremental checkpoints, which share files", "incremental"},
	{"changelog", "hashmap, with a changelog: checkpoints share a log of changes", "changelog"},
	{"hashmap", "the same as full", "full"},
	{"rocksdb", "state is in RocksDB; each checkpoint holds all state, unless a setting says otherwise", ""},
	{"forst", "state is in ForSt, which keeps its files on the storage of checkpoints", ""},
}

// BackendNames returns the words for the field backend of a job.
func BackendNames() []string {
	var names []string
	for _, backend := range Backends {
		names = append(names, backend.Name)
	}
	return names
}

// ParseBackend looks up a word for the field backend of a job. It returns false if no backend has
// this name.
func ParseBackend(name string) (Backend, bool) {
	at := slices.IndexFunc(Backends, func(b Backend) bool { return b.Name == name })
	if at < 0 {
		return Backend{}, false
	}
	return Backends[at], true
}
