package deletion_test

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

// world is a checkpoint directory with running jobs. There may be links to the directory and copies
// of it. The directory may be on a store that has several schemes. The world records which files
// each checkpoint needs. For this it does not use the code under test.
type world struct {
	t      *rapid.T
	dir    string // path of the whole world on the disk
	store  bool   // the checkpoint directory is on a store with several schemes
	jobs   []*job
	made   []*checkpoint   // all checkpoints that were ever completed
	copies []string        // directories that hold a copy of files
	broken map[string]bool // directories of checkpoints whose metadata was damaged
	closed map[string]bool // directories that cannot be read
	files  int             // number of files created so far

	// A tool uses the world from several goroutines, in which rapid cannot draw. So while a tool
	// runs, the steps of the jobs are drawn from other random numbers, the field dice.
	mu     sync.Mutex
	dice   *rand.Rand // random numbers while a tool runs; nil: rapid draws
	budget int        // number of steps that jobs may still take while the tool runs
}

// job is a job that runs or has run.
type job struct {
	dir      string // path on the disk
	link     string // link to dir in the checkpoint directory; empty if dir itself is in that directory
	id       int64  // id of the next checkpoint
	retained []*checkpoint
	started  *checkpoint     // the checkpoint in progress
	owned    map[string]bool // files that the job may delete
}

// checkpoint is the directory of a checkpoint, and the files that the checkpoint needs.
type checkpoint struct {
	dir   string
	id    int64
	names map[string]string // for the path of each file, the name by which metadata refers to it; empty for a relative file
}

const root = "ckpt"

func newWorld(t *rapid.T, dir string) *world {
	w := &world{t: t, dir: dir, broken: map[string]bool{}, closed: map[string]bool{}}
	w.store = rapid.Bool().Draw(t, "store")
	w.must(os.MkdirAll(filepath.Join(dir, root), 0o755))
	w.must(os.Symlink(filepath.Join(dir, root), filepath.Join(dir, "link")))
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) chance(label string, of int) bool { return w.number(label, 1, of) == 1 }

// number draws a number from low to high.
func (w *world) number(label string, low, high int) int {
	if w.dice != nil {
		return low + w.dice.IntN(high-low+1)
	}
	return rapid.IntRange(low, high).Draw(w.t, label)
}

// one() draws one of the given values at random.
func one[T any](w *world, label string, of []T) T { return of[w.number(label, 0, len(of)-1)] }

// use() runs a tool under a root while jobs continue, and returns the number of files that the tool
// deleted.
func (w *world) use(of tool, root string) int {
	seed := rapid.Uint64().Draw(w.t, "what happens meanwhile")
	w.budget = w.number("jobs go on", 0, 6)
	w.dice = rand.New(rand.NewPCG(seed, 0))
	defer func() { w.dice = nil }()
	return of(w, root)
}

// name draws one of the names by which a path can be reached.
func (w *world) name(at string) string {
	tail, below := strings.CutPrefix(at, filepath.Join(w.dir, root))
	switch {
	case !below:
		return at
	case w.store:
		return one(w, "scheme", []string{"s3://bucket", "s3a://bucket", "s3p://bucket"}) + "/ckpt" + tail
	case w.chance("through the link", 2):
		return filepath.Join(w.dir, "link") + tail
	}
	return at
}

// write creates a file. If fresh is false, the file seems to have been written days ago.
func (w *world) write(at string, fresh bool) {
	w.files++
	w.must(os.MkdirAll(filepath.Dir(at), 0o755))
	w.must(os.WriteFile(at, []byte(fmt.Sprintf("%08d", w.files)), 0o600))
	w.age(at, fresh)
}

func (w *world) age(at string, fresh bool) {
	if old := time.Now().Add(-72 * time.Hour); !fresh {
		w.must(os.Chtimes(at, old, old))
	}
}

func (w *world) newJob() *job {
	j := &job{dir: filepath.Join(w.dir, root, fmt.Sprintf("%032x", len(w.jobs)+1)), id: 1, owned: map[string]bool{}}
	if !w.store && w.chance("it lies elsewhere", 5) {
		j.link = j.dir
		j.dir = filepath.Join(w.dir, "elsewhere", filepath.Base(j.link))
		w.must(os.Symlink(j.dir, j.link))
	}
	w.must(os.MkdirAll(filepath.Join(j.dir, "shared"), 0o755))
	w.jobs = append(w.jobs, j)
	return j
}

// trigger begins a checkpoint: it creates the directory and writes state.
func (w *world) trigger(j *job) {
	c := &checkpoint{dir: filepath.Join(j.dir, fmt.Sprintf("chk-%d", j.id)), id: j.id, names: map[string]string{}}
	j.id++
	w.must(os.MkdirAll(c.dir, 0o755))
	for range w.number("shared files", 0, 2) {
		at := filepath.Join(j.dir, "shared", w.uuid())
		w.write(at, true)
		c.names[at] = w.name(at)
		j.owned[at] = true
	}
	at := filepath.Join(c.dir, w.uuid())
	w.write(at, true)
	c.names[at] = ""
	if n := len(j.retained); n > 0 { // the checkpoint shares files with the newest complete one
		for at, name := range j.retained[n-1].names {
			if filepath.Base(filepath.Dir(at)) == "shared" {
				c.names[at] = name
			}
		}
	}
	j.started = c
}

func (w *world) uuid() string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", w.files+1) }

// complete publishes a checkpoint and subsumes older ones.
func (w *world) complete(j *job, retain int) {
	c := j.started
	j.started = nil
	w.publish(c)
	j.retained = append(j.retained, c)
	if fresh := w.chance("it completed just now", 2); !fresh {
		for at := range c.names {
			w.age(at, false)
		}
		w.age(filepath.Join(c.dir, "_metadata"), false)
	}
	for len(j.retained) > retain {
		w.discard(j, j.retained[0])
	}
}

func (w *world) publish(c *checkpoint) {
	var files []metadata.LocalFile
	for i, at := range slices.Sorted(keys(c.names)) {
		local := metadata.LocalFile{LocalPath: fmt.Sprintf("%06d.sst", i)}
		if c.names[at] == "" {
			local.Stream = &metadata.RelativeFile{Path: filepath.Base(at), Size: 8}
		} else {
			local.Stream = &metadata.File{Path: filesystem.URL(c.names[at]), Size: 8}
		}
		files = append(files, local)
	}
	data, err := metadata.Encode(metadata.Checkpoint{
		Version: metadata.Version, ID: c.id, Properties: &metadata.Properties{Name: "Checkpoint", Sharing: "FORWARD_BACKWARD", DiscardFinished: true, DiscardSubsumed: true},
		Operators: []metadata.Operator{{
			UID: "counter", ID: metadata.NewOperatorID("counter"), Parallelism: 1, MaxParallelism: 128,
			Subtasks: []metadata.Subtask{{ManagedKeyed: &metadata.Incremental{Checkpoint: c.id, Backend: "backend", Range: metadata.KeyGroupRange{Count: 128}, Shared: files}}},
		}},
	})
	w.must(err)
	w.must(os.WriteFile(filepath.Join(c.dir, "_metadata"), data, 0o600))
	w.made = append(w.made, c)
}

func keys(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// discard does what Flink does with a subsumed checkpoint. It deletes `_metadata`. It also deletes
// the files in the checkpoint's own directory, and the shared files that the job owns, unless
// another retained checkpoint or the checkpoint in progress needs them.
func (w *world) discard(j *job, c *checkpoint) {
	j.retained = slices.DeleteFunc(j.retained, func(other *checkpoint) bool { return other == c })
	w.must(filesystem.IgnoreNotExist(os.Remove(filepath.Join(c.dir, "_metadata"))))
	for at := range c.names {
		needed := slices.ContainsFunc(append(slices.Clone(j.retained), j.started), func(other *checkpoint) bool {
			_, needs := map[string]string{}, false
			if other != nil {
				_, needs = other.names[at]
			}
			return needs
		})
		if !needed && j.owned[at] || filepath.Dir(at) == c.dir {
			_ = os.Remove(at) // this fails if a tool has already deleted the file
		}
	}
	_ = os.Remove(c.dir)
}

// claim starts a new job that claims a checkpoint of another job. From then on the new job owns the
// files of this checkpoint, even the files in the other job's directory. It does not own files that
// other retained checkpoints of the other job need.
func (w *world) claim(from *job) {
	if len(from.retained) == 0 {
		return
	}
	c := from.retained[len(from.retained)-1]
	j := w.newJob()
	j.id = c.id + 1
	for at := range c.names {
		j.owned[at] = true
	}
	from.retained = slices.DeleteFunc(from.retained, func(other *checkpoint) bool { return other == c })
	for _, other := range from.retained { // the new job does not own files that the other job still needs
		for at := range other.names {
			delete(j.owned, at)
		}
	}
	j.retained = []*checkpoint{c}
	from.started = nil
	w.trigger(j)
	w.complete(j, 1)
}

// copy copies a directory in its present state. The copy lies beside the checkpoint directory or in
// it.
func (w *world) copy(what string) {
	into := filepath.Join(w.dir, one(w, "copied into", []string{"", root}), fmt.Sprintf("backup-%d", len(w.copies)), filepath.Base(what))
	if strings.HasPrefix(into, what+"/") {
		return
	}
	w.must(os.CopyFS(into, os.DirFS(what)))
	w.copies = append(w.copies, into)
	if old := w.chance("the copy is old", 2); old {
		w.must(filepath.WalkDir(into, func(at string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				w.age(at, false)
			}
			return err
		}))
	}
}

// step lets one random thing happen.
func (w *world) step() {
	if len(w.jobs) == 0 || w.chance("a new job", 12) {
		w.newJob()
	}
	j := one(w, "job", w.jobs)
	switch one(w, "step", []string{"trigger", "complete", "complete", "abort", "claim", "copy", "damage", "close", "link", "stray"}) {
	case "claim":
		w.claim(j)
	case "copy":
		w.copy(one(w, "copied", []string{j.dir, filepath.Join(w.dir, root)}))
	case "damage":
		if len(j.retained) > 0 && w.chance("really", 3) {
			c := j.retained[0]
			w.must(os.WriteFile(filepath.Join(c.dir, "_metadata"), []byte("damaged"), 0o600))
			w.broken[c.dir] = true
		}
	case "close":
		if w.chance("really", 4) {
			w.closed[j.dir] = true
		}
	case "link":
		at := filepath.Join(w.dir, root, fmt.Sprintf("%032x", 0xff00+len(w.jobs)))
		if _, err := os.Lstat(at); err != nil {
			w.must(os.Symlink(j.dir, at))
		}
	case "stray":
		w.write(filepath.Join(j.dir, "shared", w.uuid()), false)
	default:
		w.goOn(j)
	}
}

// goOn lets a job trigger, abort or complete a checkpoint.
func (w *world) goOn(j *job) {
	if j.started == nil {
		w.trigger(j)
		return
	}
	if w.chance("abort", 6) {
		j.started = nil // the files stay, as Flink leaves them after the loss of a TaskManager
		return
	}
	w.complete(j, w.number("retain", 1, 3))
}

// restorable returns the checkpoints that can be restored at this moment, each with the files that
// it needs. A checkpoint in a copy needs the copied files.
func (w *world) restorable() map[string][]string {
	whole := map[string][]string{}
	note := func(dir string, files []string) {
		if slices.ContainsFunc(append(files, filepath.Join(dir, "_metadata")), func(at string) bool { _, err := os.Stat(at); return err != nil }) {
			return
		}
		whole[dir] = files
	}
	for _, j := range w.jobs {
		for _, c := range j.retained {
			if !w.broken[c.dir] {
				note(c.dir, slices.Collect(keys(c.names)))
			}
		}
	}
	for _, c := range w.made {
		for _, copied := range w.copies {
			w.inCopy(copied, c, note)
		}
	}
	return whole
}

// inCopy looks for a checkpoint in a copy of its job's directory or of the checkpoint directory. It
// calls note() with the copied checkpoint.
func (w *world) inCopy(copied string, c *checkpoint, note func(dir string, files []string)) {
	for _, original := range []string{filepath.Dir(c.dir), filepath.Join(w.dir, root)} {
		if filepath.Base(original) != filepath.Base(copied) {
			continue
		}
		move := func(at string) string {
			if tail, below := strings.CutPrefix(at, original); below {
				return copied + tail
			}
			return at
		}
		var files []string
		for at := range c.names {
			files = append(files, move(at))
		}
		if data, err := os.ReadFile(filepath.Join(move(c.dir), "_metadata")); err == nil && string(data) != "damaged" {
			note(move(c.dir), files)
		}
	}
}

// storage is the file system that tools see. Under a name that belongs to a store, it shows no
// links, no inodes and no times of directories, as a store does. Between two operations of a tool,
// jobs may continue.
type storage struct {
	filesystem.Local
	w *world
}

func (s *storage) at(name string) string {
	if _, at := filesystem.Split(name); filesystem.Scheme(name) != "file" {
		return s.w.dir + at
	}
	return name
}

// elapse lets a job take a random step between two operations of a tool, but only at some of the
// operations.
func (s *storage) elapse() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.budget > 0 && s.w.chance("meanwhile", 8) {
		s.w.budget--
		s.w.goOn(one(s.w, "job meanwhile", s.w.jobs))
	}
}

func (s *storage) entry(name string, e filesystem.Entry) filesystem.Entry {
	if filesystem.Scheme(name) != "file" {
		e.ID = filesystem.FileID{}
		if e.Directory {
			e.Modified = time.Time{}
		}
	}
	return e
}

func (s *storage) denied(name string) error {
	resolved, err := filepath.EvalSymlinks(s.at(name))
	if err == nil && s.w.closed[resolved] {
		return filesystem.Failure("list", name, fs.ErrPermission)
	}
	return nil
}

func (s *storage) List(name string) ([]filesystem.Entry, error) {
	s.elapse()
	if err := s.denied(name); err != nil {
		return nil, err
	}
	entries, err := s.Local.List(s.at(name))
	if filesystem.Scheme(name) != "file" {
		entries = slices.DeleteFunc(entries, func(e filesystem.Entry) bool { return e.Link })
	}
	for i := range entries {
		entries[i] = s.entry(name, entries[i])
	}
	return entries, err
}

func (s *storage) Stat(name string) (filesystem.Entry, error) {
	e, err := s.Local.Stat(s.at(name))
	return s.entry(name, e), err
}

func (s *storage) Open(name string) (io.ReadCloser, error) { return s.Local.Open(s.at(name)) }

func (s *storage) Remove(name string) error {
	s.elapse()
	return s.Local.Remove(s.at(name))
}

func (s *storage) SyncDir(name string) error { return s.Local.SyncDir(s.at(name)) }

func (s *storage) CreatesWhole(name string) bool { return filesystem.Scheme(name) != "file" }
