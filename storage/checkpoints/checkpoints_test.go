package checkpoints_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/checkpoints"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

const job = "0123456789abcdef0123456789abcdef"

// ids returns a function. The function returns a new name at each call.
func ids() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("id-%02d", n) }
}

// writer takes checkpoints of one job.
type writer struct {
	t       *testing.T
	files   filesystem.FileSystem
	storage checkpoints.Storage
	store   *checkpoints.Registry
	newID   func() string
}

func newWriter(t *testing.T, files filesystem.FileSystem, retained int, settings ...string) *writer {
	t.Helper()
	own := configuration.Configuration{configuration.Dir.Key: "file:///checkpoints", configuration.InlineMax.Key: "0"}
	for i := 0; i < len(settings); i += 2 {
		own[settings[i]] = settings[i+1]
	}
	place, err := checkpoints.Select(files, nil, own, job)
	must(t, err)
	must(t, place.Prepare())
	return &writer{t: t, files: files, storage: place, store: checkpoints.NewRegistry(files, retained), newID: ids()}
}

// write writes a piece of state.
func (w *writer) write(target checkpoints.Target, scope checkpoints.Scope, state string) metadata.Stream {
	w.t.Helper()
	stream := target.Create(w.files, scope, w.newID)
	_, err := io.WriteString(stream, state)
	must(w.t, err)
	handle, err := stream.Close()
	must(w.t, err)
	stream.Abort() // after Close, Abort must delete nothing
	return handle
}

// take takes a checkpoint that has one piece of exclusive state. Its shared state consists of the
// given streams and one new stream, which take returns as well.
func (w *writer) take(id int64, shared ...metadata.Stream) (completed storage.Completed, added metadata.Stream) {
	w.t.Helper()
	target, err := w.storage.Begin(id)
	must(w.t, err)
	exclusive := w.write(target, checkpoints.Exclusive, "exclusive")
	added = w.write(target, checkpoints.Shared, fmt.Sprintf("shared %d", id))
	checkpoint := describe(id, exclusive, append(shared, added)...)
	completed, err = w.storage.Complete(target, w.newID(), checkpoint)
	must(w.t, err)
	return completed, added
}

func describe(id int64, exclusive metadata.Stream, shared ...metadata.Stream) metadata.Checkpoint {
	incremental := &metadata.Incremental{Checkpoint: id, Backend: "backend", Range: metadata.KeyGroupRange{Count: 1}}
	for i, stream := range shared {
		incremental.Shared = append(incremental.Shared, metadata.LocalFile{LocalPath: fmt.Sprint(i), Stream: stream})
	}
	subtask := metadata.Subtask{ManagedKeyed: incremental}
	if exclusive != nil {
		subtask.ManagedOperator = &metadata.OperatorList{States: []metadata.NamedState{{Name: "s", Offsets: []int64{0}}}, Stream: exclusive}
	}
	return metadata.Checkpoint{
		Version: metadata.Version, ID: id, Properties: storage.RetainOnCancellation.Properties(),
		Operators: []metadata.Operator{{UID: "op", ID: metadata.NewOperatorID("op"), Parallelism: 1, MaxParallelism: 1, Subtasks: []metadata.Subtask{subtask}}},
	}
}

// add keeps a checkpoint, and discards the older checkpoints that it subsumes.
func (w *writer) add(completed storage.Completed) {
	w.t.Helper()
	subsumed, err := w.store.Add(completed)
	must(w.t, err)
	for _, old := range subsumed {
		must(w.t, w.store.Discard(old))
	}
}

// tree lists the files and the empty directories below root.
func tree(t *testing.T, files filesystem.FileSystem, root string) string {
	t.Helper()
	var names []string
	must(t, filesystem.Walk(files, root, func(name string, e filesystem.Entry) error {
		held, _ := files.List(filesystem.Join(root, name))
		if !e.Directory || len(held) == 0 {
			names = append(names, name)
		}
		return nil
	}))
	return strings.Join(names, " ")
}

func TestAPublishedCheckpointIsFoundByDirectoryFileAndURL(t *testing.T) {
	w := newWriter(t, filesystem.NewMemory(), 1)
	completed, _ := w.take(3)
	for _, pointer := range []string{"", "/_metadata"} {
		for _, scheme := range []string{"", "file:", "file://"} {
			found, err := storage.Resolve(w.files, scheme+completed.Location+pointer)
			must(t, err)
			for reference := range found.Checkpoint.References() {
				if state, err := storage.ReadState(w.files, found.Location, reference.Stream); err != nil || (string(state) != "exclusive" && string(state) != "shared 3") {
					t.Errorf("%s: got %q, %v", pointer, state, err)
				}
			}
		}
	}
}

func TestTheJobIDIsChecked(t *testing.T) {
	if _, err := checkpoints.NewFileSystemStorage(nil, "file:///a", "job", checkpoints.DefaultFileSystemOptions()); err == nil {
		t.Error("a job id of three letters was accepted")
	}
}

func TestSharedFilesLiveAsLongAsACheckpointRefersToThem(t *testing.T) {
	w := newWriter(t, filesystem.NewMemory(), 2)
	first, one := w.take(1)
	w.add(first)
	second, two := w.take(2, one)
	w.add(second)
	third, three := w.take(3, one, two)
	w.add(third) // subsumes checkpoint 1, whose shared file is still in use
	expect := func(want ...string) {
		t.Helper()
		got := strings.Fields(tree(t, w.files, "/checkpoints/"+job))
		var shared []string
		for _, name := range got {
			if strings.HasPrefix(name, "shared/") || strings.HasSuffix(name, "/_metadata") {
				shared = append(shared, name)
			}
		}
		if !slices.Equal(shared, want) {
			t.Errorf("want %v, got %v", want, got)
		}
	}
	name := func(s metadata.Stream) string {
		return "shared/" + s.(*metadata.File).Path[len("file:/checkpoints/"+job+"/shared/"):]
	}
	expect("chk-2/_metadata", "chk-3/_metadata", name(one), name(two), name(three))
	fourth, four := w.take(4, three)
	w.add(fourth)
	expect("chk-3/_metadata", "chk-4/_metadata", name(one), name(two), name(three), name(four))
	fifth, five := w.take(5, three)
	w.add(fifth)
	expect("chk-4/_metadata", "chk-5/_metadata", name(three), name(four), name(five))
	for _, old := range w.store.ShutDown(storage.Finished, storage.RetainOnCancellation) {
		must(t, w.store.Discard(old))
	}
	if got := tree(t, w.files, "/checkpoints/"+job); got != "shared taskowned" {
		t.Errorf("left %s", got)
	}
}

func TestTheFilesOfAnAbortedCheckpointAreDeleted(t *testing.T) {
	w := newWriter(t, filesystem.NewMemory(), 1)
	first, one := w.take(1)
	w.add(first)
	target, err := w.storage.Begin(2)
	must(t, err)
	exclusive, shared, owned := w.write(target, checkpoints.Exclusive, "exclusive"), w.write(target, checkpoints.Shared, "shared"), w.write(target, checkpoints.TaskOwned, "owned")
	must(t, target.Abort(w.files))
	must(t, w.store.DeleteAborted(target.Location, describe(2, exclusive, one, shared, owned)))
	got := tree(t, w.files, "/checkpoints/"+job)
	if strings.Contains(got, "chk-2") || strings.Count(got, "shared/") != 1 || strings.Count(got, "taskowned/") != 1 {
		t.Errorf("left %s", got)
	}
	if newest := mustBeRestorable(t, w.files, "after the abort"); newest != 1 {
		t.Errorf("want checkpoint 1, got %d", newest)
	}
}

func TestTheOwnerOfARestoredCheckpointDecides(t *testing.T) {
	for mode, want := range map[storage.ClaimMode]string{
		storage.Claim:   "", // the job owns the origin, and discards it when a newer checkpoint subsumes it
		storage.NoClaim: "chk-7/_metadata chk-7/data shared/one",
		storage.Legacy:  "chk-7/_metadata chk-7/data shared/one",
	} {
		files := filesystem.NewMemory()
		origin := storage.Completed{Location: "/origin/chk-7", Checkpoint: describe(7, &metadata.RelativeFile{Path: "data", Size: 4}, &metadata.File{Path: "file:/origin/shared/one", Size: 4})}
		for _, name := range []string{"chk-7/_metadata", "chk-7/data", "shared/one"} {
			must(t, files.MkdirAll(filesystem.Dir("/origin/"+name)))
			must(t, filesystem.WriteFile(files, "/origin/"+name, []byte("data")))
		}
		w := newWriter(t, files, 1)
		must(t, w.store.Restore(origin, mode))
		if latest, ok := w.store.Latest(); !ok || latest.Location != origin.Location {
			t.Errorf("%s: want to come back from the origin, got %+v", mode, latest)
		}
		// The first checkpoint refers to all files of the origin.
		var reused []metadata.Stream
		for reference := range origin.Checkpoint.References() {
			reused = append(reused, storage.Anchor(origin.Location, reference.Stream))
		}
		first, _ := w.take(8, reused...)
		w.add(first)
		for _, name := range []string{"chk-7/data", "shared/one"} {
			if _, err := files.Stat("/origin/" + name); err != nil {
				t.Errorf("%s: the file is in use, and gone: %v", mode, err)
			}
		}
		second, _ := w.take(9)
		w.add(second)
		got := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(tree(t, files, "/origin"), "chk-7 ", ""), "shared ", ""))
		if got == "shared" {
			got = ""
		}
		if got != want {
			t.Errorf("%s: want %q, got %q", mode, want, got)
		}
	}
}

// A claimed checkpoint may share files with checkpoints of the same run that nobody claimed.
func TestAClaimLeavesWhatOtherCheckpointsReferTo(t *testing.T) {
	files := filesystem.NewMemory()
	earlier := newWriter(t, files, 3)
	first, one := earlier.take(1)
	earlier.add(first)
	second, _ := earlier.take(2, one)
	earlier.add(second)

	own := newWriter(t, files, 1, configuration.Dir.Key, "file:///other")
	must(t, own.store.Restore(second, storage.Claim))
	third, _ := own.take(3)
	own.add(third) // subsumes the claimed checkpoint
	if _, err := storage.Resolve(files, second.Location); err == nil {
		t.Error("the claimed checkpoint is still there")
	}
	if newest := mustBeRestorable(t, files, "after the claimed one went"); newest != 1 {
		t.Errorf("want checkpoint 1, got %d", newest)
	}
}

// fragile fails one call of Remove: the call whose number is equal to the field "failing". The
// first call has the number 1.
type fragile struct {
	*filesystem.Memory
	removals, failing int
}

var errRemove = errors.New("cannot be removed now")

func (f *fragile) Remove(name string) error {
	f.removals++
	if f.removals == f.failing {
		return errRemove
	}
	return f.Memory.Remove(name)
}

func TestTheNextDiscardDeletesWhatAFailedOneLeft(t *testing.T) {
	for failing := 1; ; failing++ {
		files := &fragile{Memory: filesystem.NewMemory()}
		w := newWriter(t, files, 1)
		completed, _ := w.take(1)
		w.add(completed)
		files.failing = files.removals + failing
		err := w.store.Discard(completed)
		if err == nil {
			if failing < 4 {
				t.Errorf("only %d removals were tried", failing)
			}
			return
		}
		if !errors.Is(err, errRemove) {
			t.Errorf("removal %d: got %v", failing, err)
		}
		must(t, w.store.Discard(completed))
		if got := tree(t, files, "/checkpoints/"+job); got != "shared taskowned" {
			t.Errorf("removal %d: left %s", failing, got)
		}
	}
}

// mustBeRestorable reads every checkpoint that has `_metadata`, and all its state.
func mustBeRestorable(t *testing.T, files filesystem.FileSystem, when string) (newest int64) {
	t.Helper()
	found, err := storage.CheckpointIDs(files, "/checkpoints/"+job)
	if filesystem.IgnoreNotExist(err) != nil {
		t.Fatal(err)
	}
	for _, id := range found {
		completed, err := storage.Resolve(files, fmt.Sprintf("/checkpoints/%s/chk-%d", job, id))
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		for reference := range completed.Checkpoint.References() {
			if _, err := storage.ReadState(files, completed.Location, reference.Stream); err != nil {
				t.Errorf("%s: chk-%d has _metadata, but %v", when, id, err)
			}
		}
	}
	if len(found) == 0 {
		return 0
	}
	return found[0]
}

// lifeOfACheckpoint takes two checkpoints, discards the first, and aborts a third. The second
// checkpoint refers to as many shared files as the parameter "states" says. It calls the function
// "promised" each time a newer checkpoint is complete. After that call no power loss may lose the
// newer checkpoint. The call promised(0) says that from then on every checkpoint may be lost.
func lifeOfACheckpoint(t *testing.T, files filesystem.FileSystem, states int, promised func(newest int64)) {
	w := newWriter(t, files, 1)
	first, one := w.take(1)
	promised(1)
	w.add(first)
	target, err := w.storage.Begin(2)
	must(t, err)
	exclusive := w.write(target, checkpoints.Exclusive, "exclusive")
	shared := []metadata.Stream{one}
	for range states - 1 {
		shared = append(shared, w.write(target, checkpoints.Shared, "shared"))
	}
	second, err := w.storage.Complete(target, "attempt", describe(2, exclusive, shared...))
	must(t, err)
	promised(2)
	w.add(second)
	target, err = w.storage.Begin(3)
	must(t, err)
	w.write(target, checkpoints.Exclusive, "exclusive")
	must(t, target.Abort(files))
	for _, old := range w.store.ShutDown(storage.Suspended, storage.NoExternalizedCheckpoint) {
		promised(0)
		must(t, w.store.Discard(old))
	}
}

var powerLoss = filesystem.Model{Level: filesystem.POSIX, TearsMax: 1}

// A power loss may come at any operation. After it, each file exists to which a `_metadata` refers,
// and the newest complete checkpoint exists.
func TestNoPowerLossLeavesABadState(t *testing.T) {
	for states := 1; states <= 4; states++ {
		files := filesystem.NewMemory()
		newest, crashes, operations := int64(0), 0, 0
		files.Observe(func(o filesystem.Operation) {
			operations++
			files.EveryCrash(powerLoss, func(_ uint64, after *filesystem.Memory) bool {
				crashes++
				when := fmt.Sprintf("%d states, power loss after operation %d, %s %s", states, operations, o.Kind, o.Name)
				if got := mustBeRestorable(t, after, when); got < newest {
					t.Errorf("%s: checkpoint %d was complete; the newest is %d", when, newest, got)
				}
				return !t.Failed()
			})
		})
		lifeOfACheckpoint(t, files, states, func(id int64) { newest = id })
		t.Logf("%d states: %d operations, %d crash states", states, operations, crashes)
		if crashes < 400 {
			t.Errorf("only %d crash states were looked at", crashes)
		}
	}
}

// unsynced leaves out the sync of some directories. The function "only" returns true for the name
// of such a directory.
type unsynced struct {
	*filesystem.Memory
	only func(name string) bool
}

func (u unsynced) SyncDir(name string) error {
	if u.only(name) {
		return nil
	}
	return u.Memory.SyncDir(name)
}

// Each case leaves out the syncs of one directory. In each case a power loss must leave a bad
// state.
func TestEachSyncOfADirectoryIsNeeded(t *testing.T) {
	for what, only := range map[string]func(string) bool{
		"of the checkpoint":       func(name string) bool { return strings.Contains(name, "chk-") },
		"of the shared files":     func(name string) bool { return strings.HasSuffix(name, "/shared") },
		"of the job":              func(name string) bool { return strings.HasSuffix(name, job) },
		"of the root's own name":  func(name string) bool { return name == "/" },
		"of the job's name in it": func(name string) bool { return name == "/checkpoints" },
	} {
		files := filesystem.NewMemory()
		newest, bad := int64(0), 0
		files.Observe(func(filesystem.Operation) {
			files.EveryCrash(powerLoss, func(_ uint64, after *filesystem.Memory) bool {
				found, _ := storage.CheckpointIDs(after, "/checkpoints/"+job)
				if newest > 0 && (len(found) == 0 || found[0] < newest) {
					bad++
				}
				for _, id := range found {
					completed, err := storage.Resolve(after, fmt.Sprintf("/checkpoints/%s/chk-%d", job, id))
					must(t, err)
					for reference := range completed.Checkpoint.References() {
						if _, err := storage.ReadState(after, completed.Location, reference.Stream); err != nil {
							bad++
						}
					}
				}
				return bad == 0
			})
		})
		lifeOfACheckpoint(t, unsynced{files, only}, 2, func(id int64) { newest = id })
		if bad == 0 {
			t.Errorf("without the sync %s nothing is found", what)
		}
	}
}

func TestEntropyGoesIntoTheNamesOfDataAndNotOfMetadata(t *testing.T) {
	files := filesystem.NewMemory()
	options := checkpoints.DefaultFileSystemOptions()
	options.InlineMax, options.EntropyKey = 0, "_entropy_"
	place, err := checkpoints.NewFileSystemStorage(files, "s3://bucket/_entropy_/checkpoints", job, options)
	must(t, err)
	w := &writer{t: t, files: files, storage: place, newID: ids()}
	completed, _ := w.take(1)
	if completed.Location != "s3://bucket/checkpoints/"+job+"/chk-1" {
		t.Errorf("got %s", completed.Location)
	}
	for reference := range completed.Checkpoint.References() {
		file, absolute := reference.Stream.(*metadata.File)
		if !absolute || strings.Contains(file.Path, "_entropy_") || !strings.HasPrefix(file.Path, "s3://bucket/id-") {
			t.Errorf("got %+v", reference.Stream)
		}
		if _, err := storage.ReadState(files, completed.Location, reference.Stream); err != nil {
			t.Error(err)
		}
	}
}

func TestSmallStateStaysInline(t *testing.T) {
	w := newWriter(t, filesystem.NewMemory(), 1, configuration.InlineMax.Key, "10 b", configuration.WriteBuffer.Key, "4")
	target, err := w.storage.Begin(1)
	must(t, err)
	for size, want := range map[int]string{0: "<nil>", 1: "*metadata.ByteStream", 10: "*metadata.ByteStream", 11: "*metadata.RelativeFile", 1000: "*metadata.RelativeFile"} {
		stream := target.Create(w.files, checkpoints.Exclusive, w.newID)
		for range size {
			_, err := stream.Write([]byte("x"))
			must(t, err)
		}
		handle, err := stream.Close()
		must(t, err)
		if got := fmt.Sprintf("%T", handle); got != want || storage.SizeOf(handle) != int64(size) {
			t.Errorf("%d bytes: want %s, got %s of %d", size, want, got, storage.SizeOf(handle))
		}
		if state, err := storage.ReadState(w.files, target.Location, handle); err != nil || len(state) != size {
			t.Errorf("%d bytes: read %d, %v", size, len(state), err)
		}
	}
}

func TestTheLimitsOfTheJobManagersMemory(t *testing.T) {
	options := checkpoints.JobManagerOptions{MaxStateSize: 100, MessageMax: 1000, Budget: 150}
	place, err := checkpoints.NewJobManagerStorage(nil, "", job, options)
	must(t, err)
	must(t, place.Prepare())
	target, err := place.Begin(1)
	must(t, err)
	state := func(size int) (metadata.Stream, error) {
		stream := target.Create(nil, checkpoints.Exclusive, ids())
		_, err := stream.Write(make([]byte, size))
		must(t, err)
		return stream.Close()
	}
	full, err := state(100)
	must(t, err)
	var limit *checkpoints.LimitError
	if _, err := state(101); !errors.As(err, &limit) || limit.Size != 101 || limit.Limit != 100 {
		t.Errorf("size+1: got %v", err)
	}
	half, err := state(50)
	must(t, err)
	completed, err := place.Complete(target, "", describe(1, full, half)) // the sizes add up to exactly the budget
	must(t, err)
	if completed.Pointer() != storage.NotAddressable {
		t.Errorf("got %s", completed.Pointer())
	}
	if _, err := place.Complete(target, "", describe(1, full, half, half)); !errors.As(err, &limit) || limit.Size != 200 || limit.Limit != 150 {
		t.Errorf("over the budget: got %v", err)
	}
	options.MaxStateSize = 0
	if _, err := checkpoints.NewJobManagerStorage(nil, "", job, options); err == nil {
		t.Error("a maximum state size of 0 was accepted")
	}
	if checkpoints.DefaultJobManagerOptions().MaxStateSize != 5242880 || checkpoints.DefaultJobManagerOptions().MessageMax != 10485760 {
		t.Error("the defaults are not Flink's")
	}
}

func TestTheJobManagersMemoryWithADirectoryKeepsMetadataAlone(t *testing.T) {
	w := newWriter(t, filesystem.NewMemory(), 1, configuration.Storage.Key, "JobManager")
	completed, _ := w.take(1)
	if got := tree(t, w.files, "/checkpoints/"+job); got != "chk-1/_metadata" {
		t.Errorf("got %s", got)
	}
	found, err := storage.Resolve(w.files, completed.Location)
	must(t, err)
	if found.Checkpoint.InlineSize() != int64(len("exclusive")+len("shared 1")) {
		t.Errorf("got %d bytes", found.Checkpoint.InlineSize())
	}
}

func TestSelection(t *testing.T) {
	for _, c := range []struct{ cluster, own, want string }{
		{"", "", "*checkpoints.JobManagerStorage"},
		{"", "execution.checkpointing.dir=file:///a", "*checkpoints.FileSystemStorage"},
		{"state.checkpoints.dir=file:///a", "", "*checkpoints.FileSystemStorage"},
		{"execution.checkpointing.storage=jobmanager", "execution.checkpointing.dir=file:///a", "*checkpoints.JobManagerStorage"},
		{"state.checkpoint-storage=FileSystem", "state.checkpoints.dir=file:///a", "*checkpoints.FileSystemStorage"},
		{"", "execution.checkpointing.storage=filesystem", "execution.checkpointing.storage is filesystem, but there is no checkpoint directory: set execution.checkpointing.dir"},
		{"", "execution.checkpointing.storage=rocksdb", `execution.checkpointing.storage: want jobmanager or filesystem, got "rocksdb"`},
		{"", "execution.checkpointing.dir=/a", `checkpoint directory "/a": the scheme is missing`},
		{"", "execution.checkpointing.dir=file:///a execution.checkpointing.write-buffer-size=4kb", `configuration key execution.checkpointing.write-buffer-size: want a whole number, got "4kb"`},
		{"", "execution.checkpointing.dir=file:///a state.backend.fs.memory-threshold=2mb", "inline threshold: want 0 to 1048576 bytes, got 2097152"},
		{"execution.checkpointing.create-subdir=maybe", "", `configuration key execution.checkpointing.create-subdir: want true or false, got "maybe"`},
	} {
		parse := func(text string) configuration.Configuration {
			parsed := configuration.Configuration{}
			for _, pair := range strings.Fields(text) {
				key, value, _ := strings.Cut(pair, "=")
				parsed[key] = value
			}
			return parsed
		}
		selected, err := checkpoints.Select(nil, parse(c.cluster), parse(c.own), job)
		got := fmt.Sprintf("%T", selected)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("cluster %q, job %q: want %s, got %s", c.cluster, c.own, c.want, got)
		}
	}
}

// A new run with the same job id never replaces a checkpoint of an earlier run. If several jobs
// share a directory, a job never replaces a checkpoint of another job.
func TestAnEarlierRunsCheckpointIsNotTouched(t *testing.T) {
	for _, subdir := range []string{"true", "false"} {
		files := filesystem.NewMemory()
		newWriter(t, files, 1, configuration.CreateSubdir.Key, subdir).take(1)
		before := tree(t, files, "/")
		again := newWriter(t, files, 1, configuration.CreateSubdir.Key, subdir)
		if _, err := again.storage.Begin(1); err == nil || !strings.Contains(err.Error(), "belongs to an earlier run") {
			t.Errorf("got %v", err)
		}
		if after := tree(t, files, "/"); after != before {
			t.Errorf("want %s, got %s", before, after)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func Example() {
	files := filesystem.NewMemory()
	place, _ := checkpoints.Select(files, nil, configuration.Configuration{"execution.checkpointing.dir": "file:///checkpoints"}, job)
	_ = place.Prepare()
	target, _ := place.Begin(1)
	state := target.Create(files, checkpoints.Exclusive, ids())
	_, _ = io.WriteString(state, "state")
	handle, _ := state.Close()
	completed, _ := place.Complete(target, "attempt", describe(1, handle))
	fmt.Println(completed.Pointer())
	// Output: /checkpoints/0123456789abcdef0123456789abcdef/chk-1
}
